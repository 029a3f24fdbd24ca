//! Chooses the course of a call: script for the exact request; script for order, op and n-th call; ending of the card
//! token (for later calls about a payment: the ending its token had); seeded profile. Scripts live in the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use amends_crash_points::{Place, around};
use amends_serve::store::Reads as _;
use amends_serve::store::Store;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Set};

use crate::behaviour::{Behaviour, Course};
use crate::entity::{call_count, request, script, setting};
use crate::op::Op;
use crate::profile::Profile;

const PROFILE_SETTING: &str = "profile";

/// What is known of a call before it is carried out.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What is asked for.
    pub op: Op,
    /// Of which request.
    pub request_id: &'a str,
    /// For which order; empty for queries and closes, whose request names it.
    pub order_id: &'a str,
    /// Empty but for the ops that open a payment.
    pub card_token: &'a str,
    /// The request that opened the payment, which may be this one.
    pub payment_id: &'a str,
}

/// A rule to store; empty texts and a zero mean any.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    /// Exact request.
    pub request_id: String,
    /// Order.
    pub order_id: String,
    /// Word of an op.
    pub op: String,
    /// Only the n-th call that fits, counted from when the rule was set.
    pub nth: i32,
    /// Text of the behaviour.
    pub behaviour: String,
}

/// The chosen course, and the behaviour to keep with a payment for later calls about it (or an empty text).
#[derive(Debug, Clone)]
pub struct Choice {
    /// The course of this call.
    pub course: Course,
    /// For later calls.
    pub kept: String,
}

/// All that decides about behaviours. A clone decides the same.
#[derive(Debug, Clone)]
pub struct Scripts {
    store: Store,
    seed: u64,
    profile: Profile,
    /// False = no rule was there at the start and none was set since, so nobody need look for one.
    ever_set: Arc<AtomicBool>,
}

impl Scripts {
    /// Scripts of `store`; `seed` and `profile` hold until a script sets others.
    pub async fn open(store: Store, seed: u64, profile: Profile) -> Result<Scripts, DbErr> {
        // A rule in a shared store may be another process's.
        let ever_set = store.is_shared() || script::Entity::find().one(store.reader()).await?.is_some();
        Ok(Scripts { store, seed, profile, ever_set: Arc::new(AtomicBool::new(ever_set)) })
    }

    /// Chooses the course of `call`.
    pub async fn choose(&self, call: Call<'_>) -> Result<Choice, DbErr> {
        let payment = self.payment(call).await?;
        let order_id = payment.as_ref().map_or(call.order_id, |payment| &payment.order_id);
        if let Some(choice) = self.scripted(call, order_id).await? {
            return Ok(choice);
        }
        if let Some(behaviour) = Behaviour::of_card_token(call.card_token) {
            let kept = if behaviour.outlives_payment_call() {
                call.card_token[4..].to_owned()
            } else {
                String::new()
            };
            return Ok(Choice { course: behaviour.course(call.op, 1), kept });
        }
        if let Some(payment) = payment.filter(|payment| !payment.behaviour.is_empty()) {
            return self.kept(call, payment).await;
        }
        self.drawn(call).await
    }

    /// The stored payment that a later call is about.
    async fn payment(&self, call: Call<'_>) -> Result<Option<request::Model>, DbErr> {
        if call.op.opens_payment() {
            return Ok(None);
        }
        let find = request::Entity::find().filter(request::Column::PspRequestId.eq(call.payment_id));
        find.one(self.store.reader()).await
    }

    async fn scripted(&self, call: Call<'_>, order_id: &str) -> Result<Option<Choice>, DbErr> {
        if !self.ever_set.load(Ordering::Acquire) {
            return Ok(None);
        }
        let fitting = script::Entity::find()
            .filter(script::Column::PspRequestId.is_in([call.request_id, ""]))
            .filter(script::Column::OrderId.is_in([order_id, ""]))
            .filter(script::Column::Op.is_in([call.op.as_str(), ""]))
            .order_by_desc(script::Column::PspRequestId)
            .order_by_desc(script::Column::OrderId)
            .order_by_desc(script::Column::Op)
            .order_by_desc(script::Column::Nth);
        if fitting.clone().one(self.store.reader()).await?.is_none() {
            return Ok(None);
        }
        let tx = self.store.transaction().await?;
        let mut chosen = None;
        for row in tx.all(fitting).await? {
            let seen = row.seen.saturating_add(1);
            if chosen.is_none() && (row.nth == 0 || row.nth == seen) {
                chosen = Behaviour::parse(&row.behaviour).ok().map(|behaviour| (behaviour, seen));
            }
            let mut row = row.into_active_model();
            row.seen = Set(seen);
            tx.update(row).await?;
        }
        around!(Place::RuleChoice, tx.commit().await)?;
        Ok(chosen.map(|(behaviour, seen)| Choice {
            course: behaviour.course(call.op, u32::try_from(seen).unwrap_or(u32::MAX)),
            kept: String::new(),
        }))
    }

    /// A later call about a payment whose token said how such calls go.
    async fn kept(&self, call: Call<'_>, payment: request::Model) -> Result<Choice, DbErr> {
        let queries = payment.queries.saturating_add(1);
        let behaviour = Behaviour::parse(&payment.behaviour).unwrap_or(Behaviour::Ok);
        if call.op == Op::Query {
            let mut payment = payment.into_active_model();
            payment.queries = Set(queries);
            let tx = self.store.transaction().await?;
            tx.update(payment).await?;
            around!(Place::KeptCount, tx.commit().await)?;
        }
        let course = behaviour.course(call.op, u32::try_from(queries).unwrap_or(u32::MAX));
        Ok(Choice { course, kept: String::new() })
    }

    async fn drawn(&self, call: Call<'_>) -> Result<Choice, DbErr> {
        let (seed, profile) = self.profile().await?;
        let behaviour = if profile.is_empty() {
            Behaviour::Ok
        } else {
            let n = self.count(call).await?;
            profile.draw(seed, call.request_id, call.op, n)
        };
        Ok(Choice { course: behaviour.course(call.op, 1), kept: String::new() })
    }

    /// How often this call was made by now, this one included.
    async fn count(&self, call: Call<'_>) -> Result<u32, DbErr> {
        let tx = self.store.transaction().await?;
        let key = (call.request_id.to_owned(), call.op.as_str().to_owned());
        let calls = match tx.one(call_count::Entity::find_by_id(key.clone())).await? {
            Some(row) => {
                let calls = row.calls.saturating_add(1);
                let mut row = row.into_active_model();
                row.calls = Set(calls);
                tx.update(row).await?;
                calls
            }
            None => {
                tx.insert(call_count::ActiveModel {
                    psp_request_id: Set(key.0),
                    op: Set(key.1),
                    calls: Set(1),
                })
                .await?;
                1
            }
        };
        around!(Place::CallCount, tx.commit().await)?;
        Ok(u32::try_from(calls).unwrap_or(u32::MAX))
    }

    /// Seed and profile in force.
    async fn profile(&self) -> Result<(u64, Profile), DbErr> {
        let set = setting::Entity::find_by_id(PROFILE_SETTING).one(self.store.reader()).await?;
        let Some((seed, text)) = set.as_ref().and_then(|set| set.value.split_once(':')) else {
            return Ok((self.seed, self.profile.clone()));
        };
        let profile = if text.is_empty() { self.profile.clone() } else { text.parse().unwrap_or_default() };
        Ok((seed.parse().unwrap_or(self.seed), profile))
    }

    /// Stores a rule; an older one for exactly the same calls goes.
    pub async fn set(&self, rule: Rule) -> Result<(), DbErr> {
        self.ever_set.store(true, Ordering::Release);
        let tx = self.store.transaction().await?;
        tx.run(
            script::Entity::delete_many()
                .filter(script::Column::PspRequestId.eq(&rule.request_id))
                .filter(script::Column::OrderId.eq(&rule.order_id))
                .filter(script::Column::Op.eq(&rule.op))
                .filter(script::Column::Nth.eq(rule.nth)),
        )
        .await?;
        tx.insert(script::ActiveModel {
            psp_request_id: Set(rule.request_id),
            order_id: Set(rule.order_id),
            op: Set(rule.op),
            nth: Set(rule.nth),
            behaviour: Set(rule.behaviour),
            seen: Set(0),
            ..Default::default()
        })
        .await?;
        around!(Place::Rule, tx.commit().await)
    }

    /// Sets the seed, and with it the profile unless that is empty.
    pub async fn set_profile(&self, seed: u64, profile: &str) -> Result<(), DbErr> {
        set_setting(&self.store, PROFILE_SETTING, format!("{seed}:{profile}")).await
    }

    /// Forgets all scripts, counts and the profile that a script set.
    pub async fn reset(&self) -> Result<(), DbErr> {
        let tx = self.store.transaction().await?;
        tx.run(script::Entity::delete_many()).await?;
        tx.run(call_count::Entity::delete_many()).await?;
        tx.run(setting::Entity::delete_many().filter(setting::Column::Name.eq(PROFILE_SETTING))).await?;
        around!(Place::Reset, tx.commit().await)
    }
}

/// Stores a setting.
pub async fn set_setting(store: &Store, name: &str, value: String) -> Result<(), DbErr> {
    let replace = OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned();
    let row = setting::ActiveModel { name: Set(name.to_owned()), value: Set(value) };
    let set = setting::Entity::insert(row).on_conflict(replace);
    around!(Place::Setting, set.exec_without_returning(store.writer()).await)?;
    Ok(())
}
