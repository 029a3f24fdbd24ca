//! Acts in bulk: checks limits, translates, and hands over to the errands; decides nothing.

use super::error::ApiError;
use super::start::text;
use super::view;
use crate::errands::{Deed, Errands, Preview, TooMany, preview};
use crate::filter;
use crate::history::Errand;
use amends_dtm::Gid;
use amends_proto::amends::v1 as pb;

/// Longest reason, as of a cancel.
const MAX_REASON: usize = 200;
/// Acts in a second where the request names none, and the most.
const DEFAULT_RATE: i32 = 10;
const MAX_RATE: i32 = 100;
/// Items of one page.
const DEFAULT_PAGE: i32 = 100;
const MAX_PAGE: i32 = 1_000;

/// What an act would be about.
pub async fn look(
    errands: &Errands,
    request: &pb::PreviewBulkRequest,
) -> Result<pb::PreviewBulkResponse, ApiError> {
    let found = find(errands, &request.filter).await?;
    let stake =
        |(currency, (minor_units, count)): (String, (i64, i64))| pb::Stake { currency, minor_units, count };
    let figure = |(participant, count): (String, i64)| pb::ParticipantFigure { participant, count };
    let digest = found.digest();
    Ok(pb::PreviewBulkResponse {
        count: count(&found),
        sample: found.sample.iter().map(view::row).collect(),
        stakes: found.money.into_iter().map(stake).collect(),
        without_amount: found.without_amount,
        digest,
        participants: found.participants.into_iter().map(figure).collect(),
    })
}

/// Makes an act durable. A request id makes it so once: whoever lost the answer may ask again. Must run in a task that
/// nobody drops half-way.
pub async fn start(
    errands: &Errands,
    subject: String,
    request: pb::StartBulkRequest,
) -> Result<pb::StartBulkResponse, ApiError> {
    let deed = match request.act() {
        pb::BulkAct::Retry => Deed::Retry,
        pb::BulkAct::Redrive => Deed::Redrive,
        pb::BulkAct::Pause => Deed::Pause,
        pb::BulkAct::Resume => Deed::Resume,
        pb::BulkAct::Cancel => Deed::Cancel,
        pb::BulkAct::Unspecified => {
            return Err(invalid("act", "must be retry, redrive, pause, resume or cancel"));
        }
    };
    text("reason", &request.reason, 0, MAX_REASON)?;
    if !(0..=MAX_RATE).contains(&request.per_second) {
        return Err(invalid("per_second", &format!("must be 0 to {MAX_RATE}")));
    }
    let id = id_of(&request.request_id)?;
    let errand = Errand {
        id: id.clone(),
        act: deed.name().to_owned(),
        filter: request.filter,
        subject,
        reason: request.reason,
        per_second: if request.per_second == 0 { DEFAULT_RATE } else { request.per_second },
        created_at_us: errands.engine().now_us(),
    };
    if let Some(known) = begun(errands, &errand).await? {
        return Ok(known);
    }
    let found = find(errands, &errand.filter).await?;
    fits(&found, request.expected_count, &request.expected_digest)?;
    match errands.begin(errand.clone(), &found.gids).await {
        Ok(()) => Ok(pb::StartBulkResponse { bulk_id: id, count: count(&found) }),
        // The same request may have come twice at a time, or its commit be there though its answer was lost.
        Err(error) => begun(errands, &errand).await?.ok_or_else(|| error.into()),
    }
}

fn id_of(request_id: &str) -> Result<String, ApiError> {
    if request_id.is_empty() {
        return Ok(Gid::generate().as_str().to_owned());
    }
    let id = Gid::parse(request_id);
    let id = id.map_err(|_| invalid("request_id", "must be empty or a lower-case UUIDv7 with hyphens"))?;
    Ok(id.as_str().to_owned())
}

/// Refuses what a preview did not show.
fn fits(found: &Preview, expected_count: i64, expected_digest: &str) -> Result<(), ApiError> {
    let now = count(found);
    if expected_count != 0 && expected_count != now {
        return Err(ApiError::OthersMeanwhile { expected: expected_count, now });
    }
    if !expected_digest.is_empty() && expected_digest != found.digest() {
        return Err(ApiError::OthersMeanwhile { expected: expected_count, now });
    }
    Ok(())
}

/// What was begun under this id, if it was the same.
async fn begun(errands: &Errands, asked: &Errand) -> Result<Option<pb::StartBulkResponse>, ApiError> {
    let book = errands.book();
    let Some(known) = book.find(&asked.id).await? else { return Ok(None) };
    let fields = [
        ("act", known.act == asked.act),
        ("filter", known.filter == asked.filter),
        ("caller", known.subject == asked.subject),
        ("reason", known.reason == asked.reason),
        ("per_second", known.per_second == asked.per_second),
    ];
    let differs: Vec<&str> = fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
    if !differs.is_empty() {
        return Err(ApiError::ErrandReused { id: known.id, differs: differs.join(", ") });
    }
    let figures = book.figures(&known.id).await?;
    let count = figures.iter().map(|(_, count)| count).sum();
    Ok(Some(pb::StartBulkResponse { bulk_id: known.id, count }))
}

/// Where an act stands.
pub async fn get(errands: &Errands, request: &pb::GetBulkRequest) -> Result<pb::GetBulkResponse, ApiError> {
    if !(0..=MAX_PAGE).contains(&request.page_size) {
        return Err(invalid("page_size", &format!("must be 0 to {MAX_PAGE}")));
    }
    let limit = if request.page_size == 0 { DEFAULT_PAGE } else { request.page_size };
    let limit = u64::try_from(limit).unwrap_or(1);
    let book = errands.book();
    let errand = book.find(&request.bulk_id).await?;
    let errand = errand.ok_or_else(|| ApiError::NoErrand(request.bulk_id.clone()))?;
    let figures = book.figures(&errand.id).await?;
    let figure = |name: &str| figures.iter().find(|(state, _)| state == name).map_or(0, |(_, count)| *count);
    let items = book.items(&errand.id, &request.page_token, limit).await?;
    let next = items.last().filter(|_| items.len() as u64 == limit).map(|item| item.gid.clone());
    let act = match Deed::ALL.into_iter().find(|deed| deed.name() == errand.act) {
        Some(Deed::Retry) => pb::BulkAct::Retry,
        Some(Deed::Redrive) => pb::BulkAct::Redrive,
        Some(Deed::Pause) => pb::BulkAct::Pause,
        Some(Deed::Resume) => pb::BulkAct::Resume,
        Some(Deed::Cancel) => pb::BulkAct::Cancel,
        None => pb::BulkAct::Unspecified,
    };
    let item = |item: crate::history::ErrandItem| pb::BulkItem {
        gid: item.gid,
        state: item.state,
        message: item.message,
        done_at: view::time(item.done_at_us),
    };
    Ok(pb::GetBulkResponse {
        bulk_id: errand.id,
        act: act.into(),
        filter: errand.filter,
        subject: errand.subject,
        reason: errand.reason,
        created_at: view::time(errand.created_at_us),
        pending: figure("pending"),
        done: figure("done"),
        refused: figure("refused"),
        items: items.into_iter().map(item).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

async fn find(errands: &Errands, text: &str) -> Result<Preview, ApiError> {
    if text.trim().is_empty() {
        return Err(invalid("filter", "must not be empty: say `open` for everything"));
    }
    let found = preview(errands.engine(), filter::parse(text)?).await;
    found.map_err(|error| match error {
        TooMany::Found => invalid("filter", &error.to_string()),
        TooMany::Read(error) => error.into(),
    })
}

fn count(found: &Preview) -> i64 {
    i64::try_from(found.gids.len()).unwrap_or(i64::MAX)
}

fn invalid(field: &'static str, what: &str) -> ApiError {
    ApiError::Invalid { field, what: what.to_owned() }
}
