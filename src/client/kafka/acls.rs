//! ACLs: describe, create, delete. Through librdkafka, or through the protocol for what librdkafka has no words for.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::admin::REQUEST_TIMEOUT;
use super::ffi::has_words_for;
use super::raw::Target;
use super::topics::text;
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
        let call = async || self.native("DescribeAcls", |n| n.describe_acls(REQUEST_TIMEOUT)).await;
        let mut tries = 0;
        let acls = loop {
            match call().await {
                Err(e) if (e.is_ambiguous() || e.is_transient()) && tries < 2 => tries += 1,
                // An answer that librdkafka cannot read (more than 100,000 resources, for one).
                Err(KafkaError::Other { code: ..0, .. }) => return self.describe_acls_raw(None).await,
                other => break other?,
            }
        };
        match acls.into_iter().collect::<Option<BTreeSet<_>>>() {
            // librdkafka drops the error code of the answer as a whole: a refusal looks like an empty answer, so that must be asked for again.
            Some(acls) if !acls.is_empty() => Ok(acls),
            _ => self.describe_acls_raw(None).await,
        }
    }

    /// The ACLs of the principals of these ones, read now; all ACLs where the principals are many.
    pub async fn describe_acls_like(&self, acls: impl IntoIterator<Item = &AclBinding>) -> Result<BTreeSet<AclBinding>, KafkaError> {
        let principals: BTreeSet<&str> = acls.into_iter().map(|a| a.principal.as_str()).collect();
        if principals.len() > FEW {
            return self.describe_acls().await;
        }
        let mut all = BTreeSet::new();
        for principal in principals {
            all.extend(self.describe_acls_raw(Some(principal)).await?);
        }
        Ok(all)
    }

    async fn describe_acls_raw(&self, principal: Option<&str>) -> Result<BTreeSet<AclBinding>, KafkaError> {
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(ANY)
            .with_resource_name_filter(None)
            .with_pattern_type_filter(ANY)
            .with_principal_filter(principal.map(text))
            .with_host_filter(None)
            .with_operation(ANY)
            .with_permission_type(ANY);
        let answer = self.read(Target::Any, &request).await?;
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

    /// Creates ACLs; creating one that exists succeeds. Results in order. Brokers take a moment to follow.
    pub async fn create_acls(&self, acls: &[AclBinding]) -> Results<()> {
        let results =
            self.each_distinct(acls, CREATIONS, |part: Vec<AclBinding>| async move { self.create_chunk_of_acls(&part).await }).await;
        self.snapshot.forget_acls();
        results
    }

    async fn create_chunk_of_acls(&self, acls: &[AclBinding]) -> Results<()> {
        if !acls.iter().all(has_words_for) {
            return self.create_acls_raw(acls).await;
        }
        let acls: Arc<[AclBinding]> = acls.into();
        self.native_again("CreateAcls", move |n| n.create_acls(&acls, REQUEST_TIMEOUT)).await
    }

    async fn create_acls_raw(&self, acls: &[AclBinding]) -> Results<()> {
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
        let answer = self.write(&CreateAclsRequest::default().with_creations(acls.iter().map(creation).collect())).await?;
        let outcome = |code, message: Option<&str>| KafkaError::from_response(code, message, "ALTER on the cluster").map_or(Ok(()), Err);
        Ok(answer.results.iter().map(|r| outcome(r.error_code, r.error_message.as_deref())).collect())
    }

    /// Deletes exactly these ACLs; each result is how many were there (0 or 1), in order. Brokers take a moment to follow.
    pub async fn delete_acls(&self, acls: &[AclBinding]) -> Results<usize> {
        let results =
            self.each_distinct(acls, DELETIONS, |part: Vec<AclBinding>| async move { self.delete_chunk_of_acls(&part).await }).await;
        self.snapshot.forget_acls();
        results
    }

    /// After a lost answer it asks again; an ACL that the first request removed then counts 0.
    async fn delete_chunk_of_acls(&self, acls: &[AclBinding]) -> Results<usize> {
        if !acls.iter().all(has_words_for) {
            return self.delete_acls_raw(acls).await;
        }
        let acls: Arc<[AclBinding]> = acls.into();
        self.native_again("DeleteAcls", move |n| n.delete_acls(&acls, REQUEST_TIMEOUT)).await
    }

    async fn delete_acls_raw(&self, acls: &[AclBinding]) -> Results<usize> {
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
        let answer = self.write(&DeleteAclsRequest::default().with_filters(acls.iter().map(filter).collect())).await?;
        let error = |code, message: Option<&str>| KafkaError::from_response(code, message, "ALTER on the cluster");
        let outcome = |r: &kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult| {
            let inner = r.matching_acls.iter().find_map(|m| error(m.error_code, m.error_message.as_deref()));
            error(r.error_code, r.error_message.as_deref()).or(inner).map_or(Ok(r.matching_acls.len()), Err)
        };
        Ok(answer.filter_results.iter().map(outcome).collect())
    }

    /// Calls `op` once for every distinct ACL, in chunks, those that librdkafka has no words for apart; results in the order of `acls`.
    async fn each_distinct<T: Clone, F>(&self, acls: &[AclBinding], size: usize, op: impl Fn(Vec<AclBinding>) -> F) -> Results<T>
    where
        F: Future<Output = Results<T>>,
    {
        let distinct: BTreeSet<&AclBinding> = acls.iter().collect();
        let (native, other): (Vec<AclBinding>, Vec<AclBinding>) = distinct.into_iter().cloned().partition(has_words_for);
        let mut done = std::collections::HashMap::new();
        for chunk in native.chunks(size).chain(other.chunks(size)) {
            let results = self.retry_items(chunk, &op).await?;
            done.extend(chunk.iter().cloned().zip(results));
        }
        let left_out = || Err(KafkaError::InvalidRequest { message: "the broker's answer leaves this item out".into() });
        Ok(acls.iter().map(|a| done.get(a).cloned().unwrap_or_else(left_out)).collect())
    }
}
