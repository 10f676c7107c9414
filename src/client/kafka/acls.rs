//! ACLs: describe, create, delete.

use std::collections::{BTreeSet, HashMap};

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, DescribeAclsResponse};
use tokio::time::sleep;

use super::admin::{FIRST_PAUSE, READ_TRIES};
use super::raw::Target;
use super::topics::{left_out, text};
use super::{AclBinding, AclOperation, AclPattern, AclPermission, AclResource, Admin, KafkaError};

/// ACLs in one request that creates; a controller refuses more than 10,000.
const CREATIONS: usize = 5_000;
/// ACLs in one request that deletes: every filter is compared with every ACL.
const DELETIONS: usize = 1_000;
/// Principals that are asked for one by one.
const FEW: usize = 4;
/// The number that stands for "any" in filters.
const ANY: i8 = 1;

type Results<T> = Result<Vec<Result<T, KafkaError>>, KafkaError>;

impl Admin {
    /// All ACLs, read now. One empty answer proves nothing: see [`Admin::snapshot_acls`].
    pub async fn describe_acls(&self) -> Result<BTreeSet<AclBinding>, KafkaError> {
        let request = describe_request(None);
        let mut tries = 1;
        loop {
            match bindings(&self.read(Target::Any, &request).await?) {
                Err(e) if e.is_transient() && tries < READ_TRIES => sleep(FIRST_PAUSE * tries).await,
                other => return other,
            }
            tries += 1;
        }
    }

    /// The ACLs of the principals of these ones (all ACLs where the principals are many), as each live broker shows them, read now.
    pub async fn describe_acls_like(&self, acls: impl IntoIterator<Item = &AclBinding>) -> Result<Vec<BTreeSet<AclBinding>>, KafkaError> {
        let principals: BTreeSet<&str> = acls.into_iter().map(|a| a.principal.as_str()).collect();
        if principals.len() > FEW {
            return self.describe_acls_everywhere(None).await;
        }
        let mut all: Vec<BTreeSet<AclBinding>> = vec![];
        for principal in principals {
            let answers = self.describe_acls_everywhere(Some(principal)).await?;
            all.resize_with(answers.len().max(all.len()), BTreeSet::new);
            all.iter_mut().zip(answers).for_each(|(broker, answer)| broker.extend(answer));
        }
        Ok(all)
    }

    /// The ACLs of one principal, or all, as each live broker shows them, read now.
    pub(super) async fn describe_acls_everywhere(&self, principal: Option<&str>) -> Result<Vec<BTreeSet<AclBinding>>, KafkaError> {
        self.read_all(&describe_request(principal)).await?.iter().map(bindings).collect()
    }

    /// Creates ACLs; creating one that exists succeeds. Results in order. Brokers take a moment to follow.
    pub async fn create_acls(&self, acls: &[AclBinding]) -> Results<()> {
        self.writes.begin_acls(acls);
        let results =
            self.each_distinct(acls, CREATIONS, |part: Vec<AclBinding>| async move { self.create_chunk_of_acls(&part).await }).await;
        self.note_acls(acls, &results, true);
        results
    }

    /// Creating may be repeated: after a lost answer it is asked again.
    async fn create_chunk_of_acls(&self, acls: &[AclBinding]) -> Results<()> {
        let creation = |a: &AclBinding| {
            AclCreation::default()
                .with_resource_type(a.resource.code())
                .with_resource_name(text(&a.name))
                .with_resource_pattern_type(a.pattern.code())
                .with_principal(text(&a.principal))
                .with_host(text(&a.host))
                .with_operation(a.operation.code())
                .with_permission_type(a.permission.code())
        };
        let answer = self.write_again(&CreateAclsRequest::default().with_creations(acls.iter().map(creation).collect())).await?;
        let outcome = |code, message: Option<&str>| KafkaError::from_response(code, message, "ALTER on the cluster").map_or(Ok(()), Err);
        complete(answer.results.iter().map(|r| outcome(r.error_code, r.error_message.as_deref())).collect(), acls.len())
    }

    /// Deletes exactly these ACLs; each result is how many were there (0 or 1), in order. Brokers take a moment to follow.
    pub async fn delete_acls(&self, acls: &[AclBinding]) -> Results<usize> {
        self.writes.begin_acls(acls);
        let results =
            self.each_distinct(acls, DELETIONS, |part: Vec<AclBinding>| async move { self.delete_chunk_of_acls(&part).await }).await;
        self.note_acls(acls, &results, false);
        results
    }

    /// After a lost answer it asks again; an ACL that the first request removed then counts 0.
    async fn delete_chunk_of_acls(&self, acls: &[AclBinding]) -> Results<usize> {
        let filter = |a: &AclBinding| {
            DeleteAclsFilter::default()
                .with_resource_type_filter(a.resource.code())
                .with_resource_name_filter(Some(text(&a.name)))
                .with_pattern_type_filter(a.pattern.code())
                .with_principal_filter(Some(text(&a.principal)))
                .with_host_filter(Some(text(&a.host)))
                .with_operation(a.operation.code())
                .with_permission_type(a.permission.code())
        };
        let answer = self.write_again(&DeleteAclsRequest::default().with_filters(acls.iter().map(filter).collect())).await?;
        let error = |code, message: Option<&str>| KafkaError::from_response(code, message, "ALTER on the cluster");
        let outcome = |r: &DeleteAclsFilterResult| {
            let inner = r.matching_acls.iter().find_map(|m| error(m.error_code, m.error_message.as_deref()));
            error(r.error_code, r.error_message.as_deref()).or(inner).map_or(Ok(r.matching_acls.len()), Err)
        };
        complete(answer.filter_results.iter().map(outcome).collect(), acls.len())
    }

    fn note_acls<T>(&self, acls: &[AclBinding], results: &Results<T>, present: bool) {
        let done = results.iter().flat_map(|r| acls.iter().zip(r)).filter(|(_, r)| r.is_ok());
        self.writes.note_acls(done.map(|(acl, _)| acl), present);
        self.snapshot.forget_acls();
    }

    /// Calls `op` once for every distinct ACL, in chunks; results in the order of `acls`.
    async fn each_distinct<T: Clone, F>(&self, acls: &[AclBinding], size: usize, op: impl Fn(Vec<AclBinding>) -> F) -> Results<T>
    where
        F: Future<Output = Results<T>>,
    {
        let distinct: Vec<AclBinding> = acls.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        let mut done = HashMap::new();
        for chunk in distinct.chunks(size) {
            let results = self.retry_items(chunk, &op).await?;
            done.extend(chunk.iter().cloned().zip(results));
        }
        Ok(acls.iter().map(|a| done.get(a).cloned().unwrap_or_else(|| Err(left_out()))).collect())
    }
}

fn describe_request(principal: Option<&str>) -> DescribeAclsRequest {
    DescribeAclsRequest::default()
        .with_resource_type_filter(ANY)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(ANY)
        .with_principal_filter(principal.map(text))
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY)
}

/// The bindings of an answer. One that uses words which this streamform does not know is left out.
fn bindings(answer: &DescribeAclsResponse) -> Result<BTreeSet<AclBinding>, KafkaError> {
    if let Some(e) = KafkaError::from_response(answer.error_code, answer.error_message.as_deref(), "DESCRIBE on the cluster") {
        return Err(e);
    }
    let bindings = answer.resources.iter().flat_map(|r| {
        r.acls.iter().filter_map(|a| {
            Some(AclBinding {
                resource: AclResource::from_code(r.resource_type)?,
                name: r.resource_name.to_string(),
                pattern: AclPattern::from_code(r.pattern_type)?,
                principal: a.principal.to_string(),
                host: a.host.to_string(),
                operation: AclOperation::from_code(a.operation)?,
                permission: AclPermission::from_code(a.permission_type)?,
            })
        })
    });
    Ok(bindings.collect())
}

/// The results of a request whose answer names no items: they belong to the items in order, so that their number must be the same.
fn complete<T>(results: Vec<Result<T, KafkaError>>, expected: usize) -> Results<T> {
    if results.len() == expected { Ok(results) } else { Err(left_out()) }
}
