//! The requests that streamform sends: which answer and which number belong to each.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message};

/// A request that can be sent, and its answer.
pub(super) trait Request: Message + Encodable + HeaderVersion {
    /// Its number in the protocol.
    const KEY: ApiKey;
    /// Its answer.
    type Response: Decodable + HeaderVersion;
}

macro_rules! requests {
    ($($key:ident: $request:ident => $response:ident;)*) => {
        $(impl Request for $request {
            const KEY: ApiKey = ApiKey::$key;
            type Response = $response;
        })*
    };
}

requests! {
    ApiVersions: ApiVersionsRequest => ApiVersionsResponse;
    SaslHandshake: SaslHandshakeRequest => SaslHandshakeResponse;
    SaslAuthenticate: SaslAuthenticateRequest => SaslAuthenticateResponse;
    Metadata: MetadataRequest => MetadataResponse;
    CreateTopics: CreateTopicsRequest => CreateTopicsResponse;
    DeleteTopics: DeleteTopicsRequest => DeleteTopicsResponse;
    CreatePartitions: CreatePartitionsRequest => CreatePartitionsResponse;
    DescribeConfigs: DescribeConfigsRequest => DescribeConfigsResponse;
    IncrementalAlterConfigs: IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse;
    DescribeAcls: DescribeAclsRequest => DescribeAclsResponse;
    CreateAcls: CreateAclsRequest => CreateAclsResponse;
    DeleteAcls: DeleteAclsRequest => DeleteAclsResponse;
    AlterPartitionReassignments: AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse;
    ListPartitionReassignments: ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse;
    ElectLeaders: ElectLeadersRequest => ElectLeadersResponse;
    DescribeLogDirs: DescribeLogDirsRequest => DescribeLogDirsResponse;
    DescribeUserScramCredentials: DescribeUserScramCredentialsRequest => DescribeUserScramCredentialsResponse;
    AlterUserScramCredentials: AlterUserScramCredentialsRequest => AlterUserScramCredentialsResponse;
    DescribeClientQuotas: DescribeClientQuotasRequest => DescribeClientQuotasResponse;
    AlterClientQuotas: AlterClientQuotasRequest => AlterClientQuotasResponse;
    ListGroups: ListGroupsRequest => ListGroupsResponse;
}
