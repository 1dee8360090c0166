//! The names of the telemetry contract, each written once.
//!
//! Dashboards and alerts outside this repository read them: renaming one is a breaking change.

// Resource.
pub(super) const SERVICE_NAME: &str = "mall-gateway";
pub(super) const SERVICE_NAMESPACE: &str = "service.namespace";
pub(super) const NAMESPACE: &str = "loket";
pub(super) const SERVICE_VERSION: &str = "service.version";
pub(super) const SERVICE_INSTANCE: &str = "service.instance.id";
pub(super) const ENVIRONMENT: &str = "deployment.environment.name";

// Attributes of the semantic conventions.
pub(super) const CLIENT_ADDRESS: &str = "client.address";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const HTTP_METHOD: &str = "http.request.method";
pub(super) const HTTP_RESEND_COUNT: &str = "http.request.resend_count";
pub(super) const HTTP_ROUTE: &str = "http.route";
pub(super) const HTTP_STATUS: &str = "http.response.status_code";
pub(super) const PEER_ADDRESS: &str = "network.peer.address";
pub(super) const PEER_PORT: &str = "network.peer.port";
pub(super) const PROTOCOL_VERSION: &str = "network.protocol.version";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const URL_FULL: &str = "url.full";
pub(super) const URL_PATH: &str = "url.path";
pub(super) const URL_SCHEME: &str = "url.scheme";
pub(super) const URL_TEMPLATE: &str = "url.template";
/// What today's conventions call the other end.
pub(super) const PEER: &str = "service.peer.name";
/// What service maps of today still read.
pub(super) const PEER_DEPRECATED: &str = "peer.service";

// Attributes of our own.
pub(super) const ABANDONED: &str = "loket.abandoned";
pub(super) const AUDIT_ENTRY: &str = "loket.audit.entry";
pub(super) const BROKE_GLASS: &str = "loket.broke_glass";
pub(super) const CANCELLED: &str = "loket.cancelled";
pub(super) const CODE: &str = "loket.code";
pub(super) const MEMBER: &str = "loket.member";
pub(super) const OUTCOME: &str = "loket.outcome";
pub(super) const OVERALL: &str = "loket.overall";
pub(super) const PURPOSE: &str = "loket.purpose";
pub(super) const REASON: &str = "loket.reason";
pub(super) const RECORD: &str = "loket.record";
pub(super) const REQUEST_ID: &str = "loket.request_id";
pub(super) const RESULT: &str = "loket.result";
pub(super) const SERVICE: &str = "loket.service";
pub(super) const SYSTEM: &str = "loket.system";

// Labels of metrics only.
pub(super) const CAUSE: &str = "cause";
pub(super) const DECISION: &str = "decision";
pub(super) const DIRECTION: &str = "direction";
pub(super) const FIELD: &str = "field";
pub(super) const GRANT: &str = "loket.grant";
pub(super) const KIND: &str = "kind";
pub(super) const ROLE: &str = "role";
pub(super) const SCHEMA: &str = "schema";
pub(super) const SCOPE: &str = "scope";
pub(super) const WITNESS: &str = "loket.witness";
pub(super) const STATE: &str = "state";
pub(super) const SUBJECT: &str = "subject";
pub(super) const GROUND: &str = "ground";
pub(super) const RELOAD_RESULT: &str = "result";
pub(super) const TLS_RESULT: &str = "result";
pub(super) const VERSION: &str = "version";
pub(super) const CPU_MODE: &str = "cpu.mode";

// Metrics.
pub(super) const SERVER_DURATION: &str = "http.server.request.duration";
pub(super) const SERVER_ACTIVE: &str = "http.server.active_requests";
pub(super) const CLIENT_DURATION: &str = "http.client.request.duration";
pub(super) const LOOKUP_DURATION: &str = "loket.lookup.duration";
pub(super) const FIRST_CARD_DURATION: &str = "loket.lookup.first_card.duration";
pub(super) const AGENCY_DURATION: &str = "loket.agency.call.duration";
pub(super) const AGENCY_IN_FLIGHT: &str = "loket.agency.in_flight";
pub(super) const AGENCY_LIMIT: &str = "loket.agency.limit";
pub(super) const AGENCY_BREAKER: &str = "loket.agency.breaker.state";
pub(super) const AGENCY_LAST_SUCCESS: &str = "loket.agency.last_success.time";
pub(super) const AGENCY_CONNECTIONS: &str = "loket.agency.connections";
pub(super) const AGENCY_EJECTED: &str = "loket.agency.ejected";
pub(super) const AGENCY_QUEUED: &str = "loket.agency.queued";
pub(super) const AGENCY_RESENDS: &str = "loket.agency.resends";
pub(super) const AGENCY_SHARED: &str = "loket.agency.shared";
pub(super) const CALLS: &str = "loket.calls";
pub(super) const CALL_BODY: &str = "loket.calls.body";
pub(super) const REPLAY: &str = "loket.replay";
pub(super) const REPLAY_KEEPS: &str = "loket.replay.keeps";
pub(super) const RATE_DECISIONS: &str = "loket.ratelimit.decisions";
pub(super) const POLICY_DECISIONS: &str = "loket.policy.decisions";
pub(super) const MISMATCH: &str = "loket.mismatch";
pub(super) const SCHEMA_VIOLATIONS: &str = "loket.schema.violations";
pub(super) const QUOTA_USED: &str = "loket.grant.quota.used";
pub(super) const AUDIT_RECORDS: &str = "loket.audit.records";
pub(super) const AUDIT_QUEUE: &str = "loket.audit.queue";
pub(super) const AUDIT_INDEX_BEHIND: &str = "loket.audit.index.behind";
pub(super) const AUDIT_LOST: &str = "loket.audit.lost";
pub(super) const AUDIT_UNSEALED: &str = "loket.audit.unsealed";
pub(super) const AUDIT_SEALING_FAILS: &str = "loket.audit.sealing.fails";
pub(super) const AUDIT_WRITE_FAILURES: &str = "loket.audit.write.failures";
pub(super) const AUDIT_WITNESSED: &str = "loket.audit.witnessed";
pub(super) const AUDIT_WITNESS_FAILURES: &str = "loket.audit.witness.failures";
pub(super) const TLS_HANDSHAKES: &str = "loket.tls.handshakes";
pub(super) const TLS_HANDSHAKES_ACTIVE: &str = "loket.tls.handshakes.active";
pub(super) const CONNECTIONS_OPEN: &str = "loket.connections.open";
pub(super) const CONNECTIONS_REFUSED: &str = "loket.connections.refused";
pub(super) const CONNECTIONS_ENDED: &str = "loket.connections.ended";
pub(super) const ACCEPT_FAILURES: &str = "loket.accept.failures";
pub(super) const REQUESTS_SHED: &str = "loket.requests.shed";
pub(super) const TLS_CERT_NOT_AFTER: &str = "loket.tls.cert.not_after";
pub(super) const TLS_CRL_NEXT_UPDATE: &str = "loket.tls.crl.next_update";
pub(super) const BREAK_GLASS: &str = "loket.break_glass";
pub(super) const BREAK_GLASS_OVERDUE: &str = "loket.break_glass.overdue";
pub(super) const CONFIG_RELOADS: &str = "loket.config.reloads";
pub(super) const CONFIG_LAST_RELOAD_SUCCESS: &str = "loket.config.last_reload.success";
pub(super) const CONFIG_LAST_RELOAD_TIME: &str = "loket.config.last_reload.time";
pub(super) const AUDIT_LAST_CHECKPOINT: &str = "loket.audit.last_checkpoint.time";
pub(super) const PROCESS_CPU: &str = "process.cpu.time";
pub(super) const PROCESS_FDS: &str = "process.unix.file_descriptor.count";
pub(super) const PROCESS_MEMORY: &str = "process.memory.usage";
pub(super) const PROCESS_THREADS: &str = "process.thread.count";
pub(super) const PROCESS_UPTIME: &str = "process.uptime";
pub(super) const PROCESS_VIRTUAL: &str = "process.memory.virtual";
pub(super) const LOG_DROPPED: &str = "loket.log.dropped";
pub(super) const BUILD_INFO: &str = "loket.build.info";
