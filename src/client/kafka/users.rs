//! Who uses the cluster: SCRAM credentials, quotas, consumer groups.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterUserScramCredentialsRequest, DescribeClientQuotasRequest, DescribeUserScramCredentialsRequest,
    ListGroupsRequest,
};

use super::raw::Target;
use super::topics::text;
use super::wire::nonce;
use super::{Admin, Group, KafkaError, QuotaEntity, SaslMechanism, ScramChange, ScramCredential, sasl};

/// Kafka's code for "this user has no credential".
const RESOURCE_NOT_FOUND: i16 = 91;
const ALTER: &str = "ALTER on the cluster";
const DESCRIBE: &str = "DESCRIBE on the cluster";

type Results<T> = Result<Vec<Result<T, KafkaError>>, KafkaError>;
type QuotaChange = (QuotaEntity, BTreeMap<String, Option<f64>>);

impl Admin {
    /// The SCRAM credentials of users (all when empty); a user without any is not in the answer.
    pub async fn describe_scram(&self, users: &[String]) -> Result<BTreeMap<String, Vec<ScramCredential>>, KafkaError> {
        let names = (!users.is_empty()).then(|| users.iter().map(|u| UserName::default().with_name(text(u))).collect());
        let answer = self.read(Target::Any, &DescribeUserScramCredentialsRequest::default().with_users(names)).await?;
        if let Some(e) = KafkaError::from_response(answer.error_code, answer.error_message.as_deref(), DESCRIBE) {
            return Err(e);
        }
        let mut all = BTreeMap::new();
        for user in answer.results.iter().filter(|u| u.error_code != RESOURCE_NOT_FOUND) {
            if let Some(e) = KafkaError::from_response(user.error_code, user.error_message.as_deref(), DESCRIBE) {
                return Err(e);
            }
            let credential = |c: &kafka_protocol::messages::describe_user_scram_credentials_response::CredentialInfo| {
                Some(ScramCredential { mechanism: mechanism_of(c.mechanism)?, iterations: c.iterations })
            };
            all.insert(user.user.to_string(), user.credential_infos.iter().filter_map(credential).collect());
        }
        Ok(all)
    }

    /// Sets and removes SCRAM credentials, results in order. At most one change per user and call.
    pub async fn alter_scram(&self, changes: &[ScramChange]) -> Results<()> {
        self.retry_items(changes, |part: Vec<ScramChange>| async move { self.alter_scram_once(&part).await }).await
    }

    async fn alter_scram_once(&self, changes: &[ScramChange]) -> Results<()> {
        let mut request = AlterUserScramCredentialsRequest::default();
        for change in changes {
            match change {
                ScramChange::Upsert { user, mechanism, iterations, password } => {
                    request.upsertions.push(upsertion(user, *mechanism, *iterations, password).await?);
                }
                ScramChange::Delete { user, mechanism } => {
                    request
                        .deletions
                        .push(ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism_code(*mechanism)?));
                }
            }
        }
        let answer = self.write(&request).await?;
        let error = |code, message: Option<&str>| KafkaError::from_response(code, message, ALTER);
        let found: HashMap<String, Option<KafkaError>> =
            answer.results.iter().map(|r| (r.user.to_string(), error(r.error_code, r.error_message.as_deref()))).collect();
        let outcome = |change: &ScramChange| {
            let (ScramChange::Upsert { user, .. } | ScramChange::Delete { user, .. }) = change;
            found.get(user).cloned().flatten().map_or(Ok(()), Err)
        };
        Ok(changes.iter().map(outcome).collect())
    }

    /// All client quotas.
    pub async fn describe_quotas(&self) -> Result<BTreeMap<QuotaEntity, BTreeMap<String, f64>>, KafkaError> {
        let answer = self.read(Target::Any, &DescribeClientQuotasRequest::default()).await?;
        if let Some(e) = KafkaError::from_response(answer.error_code, answer.error_message.as_deref(), "DESCRIBE_CONFIGS on the cluster") {
            return Err(e);
        }
        let entries = answer.entries.unwrap_or_default();
        let entry = |e: kafka_protocol::messages::describe_client_quotas_response::EntryData| {
            let entity = e.entity.iter().map(|p| (p.entity_type.to_string(), p.entity_name.as_ref().map(|n| n.to_string()))).collect();
            (entity, e.values.iter().map(|v| (v.key.to_string(), v.value)).collect())
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    /// Sets (`Some`) and removes (`None`) quotas, results in order.
    pub async fn alter_quotas(&self, changes: &[QuotaChange], validate_only: bool) -> Results<()> {
        self.retry_items(changes, |part: Vec<QuotaChange>| async move { self.alter_quotas_once(&part, validate_only).await }).await
    }

    async fn alter_quotas_once(&self, changes: &[QuotaChange], validate_only: bool) -> Results<()> {
        let entry = |(entity, ops): &QuotaChange| {
            let part = |(kind, name): (&String, &Option<String>)| {
                EntityData::default().with_entity_type(text(kind)).with_entity_name(name.as_deref().map(text))
            };
            let op = |(key, value): (&String, &Option<f64>)| {
                OpData::default().with_key(text(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none())
            };
            EntryData::default().with_entity(entity.iter().map(part).collect()).with_ops(ops.iter().map(op).collect())
        };
        let request =
            AlterClientQuotasRequest::default().with_entries(changes.iter().map(entry).collect()).with_validate_only(validate_only);
        let answer = self.write(&request).await?;
        let error = |code, message: Option<&str>| KafkaError::from_response(code, message, "ALTER_CONFIGS on the cluster");
        let found: BTreeMap<QuotaEntity, Option<KafkaError>> = answer
            .entries
            .iter()
            .map(|e| {
                let entity = e.entity.iter().map(|p| (p.entity_type.to_string(), p.entity_name.as_ref().map(|n| n.to_string()))).collect();
                (entity, error(e.error_code, e.error_message.as_deref()))
            })
            .collect();
        Ok(changes.iter().map(|(entity, _)| found.get(entity).cloned().flatten().map_or(Ok(()), Err)).collect())
    }

    /// The consumer groups of all brokers.
    pub async fn list_groups(&self) -> Result<Vec<Group>, KafkaError> {
        let mut all = Vec::new();
        for broker in self.describe_cluster().await?.brokers {
            let target = self.locate(broker.id).await?;
            let answer = self.read(target, &ListGroupsRequest::default()).await?;
            if let Some(e) = KafkaError::from_response(answer.error_code, None, DESCRIBE) {
                return Err(e);
            }
            all.extend(answer.groups.iter().map(|g| Group {
                id: g.group_id.0.to_string(),
                state: g.group_state.to_string(),
                protocol: g.protocol_type.to_string(),
            }));
        }
        Ok(all)
    }
}

async fn upsertion(user: &str, mechanism: SaslMechanism, iterations: i32, password: &str) -> Result<ScramCredentialUpsertion, KafkaError> {
    let salt = nonce().map_err(|message| KafkaError::Connection { message })?.into_bytes();
    let rounds = u32::try_from(iterations).map_err(|_| KafkaError::InvalidRequest { message: "iterations must be positive".into() })?;
    let (secret, with) = (password.to_string(), salt.clone());
    let salted = tokio::task::spawn_blocking(move || sasl::salted_password(mechanism, &secret, &with, rounds))
        .await
        .map_err(|_| KafkaError::InvalidRequest { message: "the password could not be salted".into() })?;
    Ok(ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(mechanism_code(mechanism)?)
        .with_iterations(iterations)
        .with_salt(salt.into())
        .with_salted_password(salted.into()))
}

fn mechanism_of(code: i8) -> Option<SaslMechanism> {
    match code {
        1 => Some(SaslMechanism::ScramSha256),
        2 => Some(SaslMechanism::ScramSha512),
        _ => None,
    }
}

fn mechanism_code(mechanism: SaslMechanism) -> Result<i8, KafkaError> {
    match mechanism {
        SaslMechanism::ScramSha256 => Ok(1),
        SaslMechanism::ScramSha512 => Ok(2),
        SaslMechanism::Plain => Err(KafkaError::InvalidRequest { message: "PLAIN has no credentials in the cluster".into() }),
    }
}
