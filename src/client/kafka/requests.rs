//! The requests that streamform sends: which answer and which number belong to each.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message};

/// A request that can be sent, and its answer.
pub(super) trait Request: Message + Encodable + HeaderVersion {
    /// Its number in the protocol.
    const KEY: ApiKey;
    /// Its answer.
    type Response: Decodable + HeaderVersion;

    /// Whether the broker is only asked what it would say, and changes nothing.
    fn validates(&self) -> bool {
        false
    }

    /// For how many milliseconds the broker asks, with this answer, to be sent nothing more (KIP-219).
    fn throttle_ms(answer: &Self::Response) -> i32;
}

macro_rules! requests {
    ($($key:ident: $request:ident => $response:ident $(, unless $validate_only:ident)? $(, throttled by $throttle:ident)?;)*) => {
        $(impl Request for $request {
            const KEY: ApiKey = ApiKey::$key;
            type Response = $response;
            $(fn validates(&self) -> bool {
                self.$validate_only
            })?

            fn throttle_ms(answer: &Self::Response) -> i32 {
                let _ = answer;
                0 $(+ answer.$throttle)?
            }
        })*
    };
}

requests! {
    ApiVersions: ApiVersionsRequest => ApiVersionsResponse, throttled by throttle_time_ms;
    SaslHandshake: SaslHandshakeRequest => SaslHandshakeResponse;
    SaslAuthenticate: SaslAuthenticateRequest => SaslAuthenticateResponse;
    Metadata: MetadataRequest => MetadataResponse, throttled by throttle_time_ms;
    CreateTopics: CreateTopicsRequest => CreateTopicsResponse, unless validate_only, throttled by throttle_time_ms;
    DeleteTopics: DeleteTopicsRequest => DeleteTopicsResponse, throttled by throttle_time_ms;
    CreatePartitions: CreatePartitionsRequest => CreatePartitionsResponse, unless validate_only, throttled by throttle_time_ms;
    DescribeConfigs: DescribeConfigsRequest => DescribeConfigsResponse, throttled by throttle_time_ms;
    IncrementalAlterConfigs: IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse, unless validate_only, throttled by throttle_time_ms;
    DescribeAcls: DescribeAclsRequest => DescribeAclsResponse, throttled by throttle_time_ms;
    CreateAcls: CreateAclsRequest => CreateAclsResponse, throttled by throttle_time_ms;
    DeleteAcls: DeleteAclsRequest => DeleteAclsResponse, throttled by throttle_time_ms;
    AlterPartitionReassignments: AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse, throttled by throttle_time_ms;
    ListPartitionReassignments: ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse, throttled by throttle_time_ms;
    ElectLeaders: ElectLeadersRequest => ElectLeadersResponse, throttled by throttle_time_ms;
    DescribeLogDirs: DescribeLogDirsRequest => DescribeLogDirsResponse, throttled by throttle_time_ms;
    DescribeUserScramCredentials: DescribeUserScramCredentialsRequest => DescribeUserScramCredentialsResponse, throttled by throttle_time_ms;
    AlterUserScramCredentials: AlterUserScramCredentialsRequest => AlterUserScramCredentialsResponse, throttled by throttle_time_ms;
    DescribeClientQuotas: DescribeClientQuotasRequest => DescribeClientQuotasResponse, throttled by throttle_time_ms;
    AlterClientQuotas: AlterClientQuotasRequest => AlterClientQuotasResponse, unless validate_only, throttled by throttle_time_ms;
    ListGroups: ListGroupsRequest => ListGroupsResponse, throttled by throttle_time_ms;
}
