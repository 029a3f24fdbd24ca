//! Whether the methods of a step are there, and take what it sends.

use super::services::misfit;
use super::{Finding, Kind, Services, Weight, is_own, label};
use crate::plan::{OpRef, Plan, StepIndex};
use amends_dtm::Op;
use prost_reflect::MethodDescriptor;

/// Checks the calls of one step.
pub(super) fn check(services: &Services, plan: &Plan, step: StepIndex) -> Vec<Finding> {
    let ops = [plan.forward_op(), Op::Confirm, plan.undo_op()].map(|op| OpRef { step, op });
    let mut findings = Vec::new();
    let mut forward: Option<MethodDescriptor> = None;
    for at in ops.into_iter().filter(|at| !plan.method(*at).is_empty()) {
        match method(services, plan, at) {
            Err(finding) => findings.push(finding),
            Ok(found) => {
                let first = forward.get_or_insert_with(|| found.clone());
                findings.extend(request(plan, at, &found, first));
            }
        }
    }
    findings
}

fn finding(plan: &Plan, at: OpRef, (weight, kind): (Weight, Kind), what: &str) -> Finding {
    let what = format!("{}: {what}", at.op.as_str());
    Finding { weight, kind, step: label(plan, at.step), what }
}

fn method(services: &Services, plan: &Plan, at: OpRef) -> Result<MethodDescriptor, Finding> {
    let wrong = |weight, what: String| Err(finding(plan, at, (weight, Kind::Method), &what));
    let name = plan.method(at);
    let (service, word) = name.split_once('/').unwrap_or((name, ""));
    let Some(service) = services.service(service) else {
        // The caller may well know a service that nobody has described here.
        let (weight, hint) = if is_own(plan) {
            (Weight::Warning, ": not checked; --descriptors can name a file that has it")
        } else {
            (Weight::Refusal, "")
        };
        return wrong(weight, format!("the service `{service}` is not described{hint}"));
    };
    let Some(method) = service.methods().find(|method| method.name() == word) else {
        return wrong(Weight::Refusal, format!("`{}` has no method `{word}`", service.full_name()));
    };
    if method.is_client_streaming() || method.is_server_streaming() {
        return wrong(Weight::Refusal, format!("`{name}` is a stream, not one call"));
    }
    Ok(method)
}

/// All ops of a step are called with the same payload.
fn request(plan: &Plan, at: OpRef, method: &MethodDescriptor, forward: &MethodDescriptor) -> Option<Finding> {
    let (wanted, sent) = (method.input(), forward.input());
    let other = wanted.full_name() != sent.full_name();
    let misfit = misfit(method, &plan.steps()[at.step].payload).or_else(|| {
        let types = format!("it takes a {}, the forward op a {}", wanted.full_name(), sent.full_name());
        other.then_some(types)
    });
    misfit.map(|what| finding(plan, at, (Weight::Refusal, Kind::Request), &what))
}
