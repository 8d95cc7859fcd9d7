"""Every metric Posta exposes, defined once: the noun, its unit, its labels.

Prometheus practice: ``posta_<noun>_<unit>[_total]``, few labels, no ids in labels. Attempts are
counted beside failures, and everything is counted when it ends.
"""

from prometheus_client import Counter, Gauge, Histogram

from posta.telemetry.tally import TallyCounter, TallyHistogram

_LLM_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
_HTTP_BUCKETS = Histogram.DEFAULT_BUCKETS[:-1]  # without infinity
_LATENESS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

# --- HTTP, every service -------------------------------------------------------------------------
HTTP_REQUESTS = TallyCounter(
    "posta_http_requests_total", "HTTP requests answered.", ["route", "method", "code"]
)
HTTP_SECONDS = TallyHistogram(
    "posta_http_request_duration_seconds",
    "Time to answer an HTTP request.",
    ["route", "method"],
    buckets=_HTTP_BUCKETS,
)

# --- Kafka: publishing ---------------------------------------------------------------------------
PUBLISHED = Counter(
    "posta_messages_published_total",
    "Records handed to Kafka, by how it ended.",
    ["topic", "outcome"],
)
PUBLISH_SECONDS = Histogram(
    "posta_publish_duration_seconds", "Time until Kafka confirmed a record (acks=all).", ["topic"]
)
PRODUCER_REBUILT = Counter(
    "posta_producer_rebuilt_total", "Producers replaced after an error they cannot recover from."
)

# --- the engine ----------------------------------------------------------------------------------
RECEIVED = TallyCounter("posta_messages_received_total", "Records fetched.", ["group", "topic"])
PROCESSED = TallyCounter(
    "posta_messages_processed_total",
    "Handlings ended, by outcome: ok, retry, waiting, dead, hop, abandoned.",
    ["group", "topic", "outcome"],
)
PROCESS_SECONDS = TallyHistogram(
    "posta_message_process_duration_seconds",
    "Time of one handling, publishing included.",
    ["group", "topic"],
    buckets=_LLM_BUCKETS,
)
MESSAGE_AGE = TallyHistogram(
    "posta_message_age_seconds",
    "Age of an event when its handling ended well: the time the person has waited so far.",
    ["group"],
    buckets=_LLM_BUCKETS,
)
IN_FLIGHT = Gauge("posta_messages_in_flight", "Handlings running now.", ["group"])
HELD = Gauge("posta_messages_held", "Records in memory, waiting or running.", ["group"])
HELD_BYTES = Gauge("posta_messages_held_bytes", "Size of the records in memory.", ["group"])
PARTITIONS_ASSIGNED = Gauge("posta_partitions_assigned", "Partitions this member owns.", ["group"])
PARTITIONS_PAUSED = Gauge(
    "posta_partitions_paused", "Partitions not fetched for now, by why.", ["group", "why"]
)
WATERMARK_GAP = Gauge(
    "posta_watermark_gap_messages",
    "Largest distance from a partition's watermark to its newest record.",
    ["group"],
)
OLDEST_PENDING = Gauge(
    "posta_oldest_pending_seconds", "Time the oldest unfinished record has been here.", ["group"]
)
RETRIES = Counter(
    "posta_retries_total", "Waits begun, by lane (or memory) and why.", ["group", "lane", "cause"]
)
RETRY_LATENESS = Histogram(
    "posta_retry_lateness_seconds",
    "How long after its not-before time a waiting record was handled, by lane (or memory).",
    ["group", "lane"],
    buckets=_LATENESS_BUCKETS,
)
DEAD_LETTERS = Counter("posta_dead_letters_total", "Records given up, by error class.", ["group", "cause"])
BACKGROUND_FAILED = Counter(
    "posta_background_failures_total", "Work beside the messages that failed and began anew.", ["work"]
)
UNEXPECTED = Counter("posta_unexpected_errors_total", "Errors no adapter classified.", ["group", "exception"])
REBALANCES = Counter("posta_rebalances_total", "Assignments received.", ["group"])
COMMITS = Counter("posta_commits_total", "Offset commits, by outcome.", ["group", "outcome"])
INTAKE_PAUSED = Gauge(
    "posta_intake_paused",
    "1 while the whole group's intake is paused, by why: a dependency's name, flood, operator.",
    ["group", "why"],
)
FLOOD_TRIPS = Counter(
    "posta_flood_trips_total", "Pauses because too many records would have become dead letters.", ["group"]
)
ORDER_WAITING = Gauge(
    "posta_key_order_waiting_messages", "Records of ordered keys in lanes, not in memory.", ["group"]
)
ORDER_KEYS = Gauge(
    "posta_key_order_keys", "Keys with a record in memory or in a lane (ordered retries).", ["group"]
)
ORDER_HELD = Gauge(
    "posta_key_order_held_keys", "Keys held until an admin replays their dead letter.", ["group"]
)
ORDER_REBUILDING = Gauge(
    "posta_key_order_rebuilding",
    "Partition numbers that wait until it is known who stands in the lanes (ordered retries).",
    ["group"],
)
ORDER_MISPLACED = Counter(
    "posta_key_order_misplaced_total",
    "Lane records whose original is of another partition number: order cannot be kept for them.",
    ["group"],
)
LAST_POLL = Gauge("posta_consumer_last_poll_timestamp_seconds", "When the loop last polled Kafka.", ["group"])

# --- the engine: membership and faults -----------------------------------------------------------
CONSUMER_REPLACED = Counter(
    "posta_consumer_replaced_total", "Consumers replaced after an error they may not recover from.", ["group"]
)
OFFSETS_LOST = Counter(
    "posta_offsets_lost_total", "Offsets whose records were gone before they were read.", ["group", "topic"]
)
POSITION_MOVED = Counter(
    "posta_position_moved_total",
    "Partitions read on from elsewhere, by why: retention passed, behind the end, rewound.",
    ["group", "topic", "why"],
)
TOPIC_MISSING = Gauge(
    "posta_topic_missing", "1 while a topic that the group reads is not there.", ["group", "topic"]
)
TOPIC_RESIZED = Counter(
    "posta_topic_resized_total", "Changes of a topic's number of partitions seen.", ["group", "topic"]
)
PUBLISH_BLOCKED = Gauge(
    "posta_publish_blocked_messages", "Records whose publishing failed and is being tried again.", ["topic"]
)
DEAD_LETTERS_TRUNCATED = Counter(
    "posta_dead_letters_truncated_total", "Dead letters too large for their topic, kept in part.", ["topic"]
)
LOOP_STALLS = Counter("posta_event_loop_stalls_total", "Times the event loop did not run for a while.")
CLOCK_OFFSET = Gauge(
    "posta_clock_offset_seconds",
    "How far the machine's clock was set away from the one the engine goes by; above 0: forward.",
)

# --- ingress -------------------------------------------------------------------------------------
INGRESS_ACCEPTED = TallyCounter(
    "posta_ingress_accepted_total", "Requests kept safe, by where.", ["kind", "where"]
)
INGRESS_REJECTED = Counter(
    "posta_ingress_rejected_total", "Requests turned away, by reason.", ["kind", "reason"]
)
ACK_SECONDS = TallyHistogram(
    "posta_ingress_ack_seconds",
    "Time to acknowledge an interaction; Discord allows 3 s.",
    (),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3),
)
SPOOL_DEPTH = Gauge("posta_spool_messages", "Events in the local spool, not yet in Kafka.")
SPOOL_OLDEST = Gauge("posta_spool_oldest_seconds", "Age of the oldest event in the spool.")
SPOOL_REFUSED = Gauge("posta_spool_refused_messages", "Events in the spool that Kafka will never take.")
SPOOL_WRITE_SECONDS = Histogram("posta_spool_write_seconds", "Time until an event was on the spool's disk.")
SPOOL_DAMAGED = Counter("posta_spool_damaged_total", "Damaged spool files set aside.")

# --- ingress: events -----------------------------------------------------------------------------
IDEMPOTENT_REQUESTS = Counter(
    "posta_idempotent_requests_total",
    "Requests with an Idempotency-Key: first, replayed, other_body, in_flight; and which store knew.",
    ["outcome", "store"],
)
EVENTS_CANCELLED = Counter(
    "posta_events_cancelled_total", "Requests to cancel an event, by how they ended.", ["outcome"]
)
EVENT_NOTES_DROPPED = Counter(
    "posta_event_notes_dropped_total", "Accepted events not noted for GET, while PostgreSQL was away."
)
RECEIVED_ALERTS = Counter(
    "posta_receiver_requests_total",
    "Requests to the receivers, by receiver and outcome.",
    ["receiver", "outcome"],
)
PULLED = Counter("posta_pull_events_total", "What bots that poll did with events.", ["outcome"])
SCHEDULED = Counter(
    "posta_scheduled_events_total",
    "Published events that waited or were withheld: waiting, cancelled.",
    ["outcome"],
)

# --- ingress: limits and the life of interactions ------------------------------------------------
INTERACTIONS = TallyCounter(
    "posta_ingress_interactions_total",
    "Interactions by Discord's type and what they were answered with.",
    ["type", "answer"],
)
GOVERNOR_ALONE = Gauge(
    "posta_governor_memory_fallback",
    "1 while limits are counted by this process alone, because PostgreSQL is away.",
)
QUEUE_AGE = Gauge("posta_ingress_queue_age_seconds", "How long questions wait before a worker takes them.")
SUGGESTIONS_FAILED = Counter(
    "posta_ingress_suggestions_failed_total", "Lists for autocomplete that a provider did not give."
)
RELOADS = Counter("posta_config_reloads_total", "Rules files read again on SIGHUP, by outcome.", ["outcome"])
LIFECYCLE_DROPPED = Counter(
    "posta_lifecycle_dropped_notes_total", "Notes on interactions that were not written in time."
)

# --- upstreams: the LLM, Discord, SMTP, IMAP -----------------------------------------------------
UPSTREAM_REQUESTS = Counter(
    "posta_upstream_requests_total", "Calls to other systems.", ["upstream", "outcome"]
)
UPSTREAM_SECONDS = Histogram(
    "posta_upstream_duration_seconds",
    "Time of a call to another system.",
    ["upstream"],
    buckets=_LLM_BUCKETS,
)
LLM_TOKENS = Counter("posta_llm_tokens_total", "Tokens the provider counted.", ["model", "kind"])
DELIVERIES = Counter(
    "posta_deliveries_total", "Deliveries ended, by medium and outcome.", ["medium", "outcome"]
)
UNKNOWN_OUTCOMES = Counter(
    "posta_delivery_unknown_outcomes_total",
    "Deliveries tried again without knowing whether the earlier call got through.",
    ["medium"],
)
DISCORD_RATE_LIMITED = Counter(
    "posta_discord_rate_limited_total",
    "429 answers of Discord, by scope: user, shared, global, or blocked without a time.",
    ["scope"],
)
DISCORD_BOT_REFUSED = Counter(
    "posta_discord_bot_refused_total", "Times Discord did not know the bot's token; all its calls stop."
)
DESTINATIONS_DISABLED = Gauge(
    "posta_destinations_disabled", "Destinations that nothing is sent to until an operator enables them."
)
EVENTS_ROUTED = Counter(
    "posta_events_routed_total",
    "Published events, by what the routes said: deliver, fan_out, hold (quiet hours), digest, drop.",
    ["decision"],
)
ANSWERS_REROUTED = Counter(
    "posta_answers_rerouted_total",
    "Answers that went another way than the interaction's, by route: dm, channel, destination, none.",
    ["route"],
)
TEMPLATE_FAILURES = Counter(
    "posta_template_failures_total", "Events shown plainly because their template failed.", ["template"]
)
DISCORD_HELD = Counter(
    "posta_discord_calls_held_total",
    "Calls not sent because they could not have got through: bucket, or refusals (their budget is spent).",
    ["why"],
)
DISCORD_SLOTS = Gauge(
    "posta_discord_slots", "This process's share of a global limit, in calls per second.", ["scope"]
)
DISCORD_REFUSALS = Gauge(
    "posta_discord_refusals",
    "Answers 401, 403 and 429 of the last ten minutes, of all processes; Discord bans at 10 000.",
)
MAIL_TAKEN = Counter(
    "posta_mail_taken_total", "Mails read from a mailbox, by what became of them.", ["outcome"]
)
MAIL_PENDING = Gauge("posta_mail_pending_messages", "Mails taken whose events Kafka has not confirmed.")
MAIL_LAST_POLL = Gauge("posta_mail_last_poll_timestamp_seconds", "When the mailbox was last polled well.")

# --- llm-worker: allowance, circuit, waiting -----------------------------------------------------
LLM_FIRST_TOKEN_SECONDS = Histogram(
    "posta_llm_first_token_seconds",
    "Time from a call's start to the first piece of its answer.",
    buckets=_LLM_BUCKETS,
)
LLM_ODDITIES = Counter(
    "posta_llm_oddities_total",
    "Answers that were used although something about them was odd: wrong_model, wrong_usage.",
    ["model", "kind"],
)
LLM_USED = Gauge(
    "posta_llm_allowance_used",
    "What counts in each window of a model's allowance, for the whole group, as last seen.",
    ["model", "window"],
)
LLM_LIMIT = Gauge(
    "posta_llm_allowance_limit",
    "The limit in force for each window of a model's allowance, as configured or as the provider told.",
    ["model", "window"],
)
LLM_CIRCUIT = Gauge("posta_llm_circuit_state", "0 closed, 1 half-open, 2 open.", ["model"])
LLM_NO_ROOM = Counter(
    "posta_llm_no_room_total",
    "Questions that had to wait for room, by model and why: a window, told, circuit, concurrency, others.",
    ["model", "why"],
)
LLM_UNDERESTIMATED = Counter(
    "posta_llm_underestimated_total", "Calls that came to more tokens than were reserved for them.", ["model"]
)
LLM_FALLBACKS = Counter(
    "posta_llm_fallbacks_total",
    "Questions asked elsewhere, by the model that failed and its class.",
    ["model", "kind"],
)
LLM_HEDGES = Counter(
    "posta_llm_hedges_total", "Second calls made because the first was slow, by which answered.", ["won"]
)
LLM_SHORTENED = Counter(
    "posta_llm_prompts_shortened_total", "Prompts cut because they were too long.", ["model"]
)
LLM_PROMPT_TOKENS = Counter(
    "posta_llm_prompt_tokens_total",
    "Estimated tokens of prompts, by part: instruction, catalogue, conversation, question.",
    ["part"],
)
LLM_UNCALLED = Counter(
    "posta_llm_answers_without_call_total",
    "Answers that no call was made for, by source: faq, cache, forget, static, faq_only, person.",
    ["source"],
)
LLM_COST = Counter(
    "posta_llm_cost_total", "What calls cost, by the prices in llm.yaml.", ["model", "currency"]
)
LLM_COST_WASTED = Counter(
    "posta_llm_cost_wasted_total",
    "Of that, what was paid for calls whose answer was not used, by outcome; lost_claim: another was faster.",
    ["model", "outcome"],
)
LLM_BUDGET = Counter(
    "posta_llm_budget_events_total",
    "Daily budgets of tenants: warned (the share was reached), stopped (the first question was refused),"
    " refused (each question).",
    ["event"],
)
LLM_UNSTATED_FIGURES = Counter(
    "posta_llm_unstated_figures_total",
    "Figures in answers that the catalogue does not state, by kind: price, stock.",
    ["kind"],
)
LLM_WITHHELD = Counter(
    "posta_llm_answers_withheld_total",
    "Answers withheld: instruction (they repeat it), figures (they state other ones than the catalogue).",
    ["why"],
)
RACE_ERRORS = Counter("race_errors_total", "Summaries that another worker's overtook.")
TOKEN_CLEANUPS = Counter("token_cleanups_total", "Conversations that the regular clean-up summarised.")
HIGH_TOKEN_THREADS = Gauge(
    "high_token_threads",
    "Conversations of the group over THREAD_TOKEN_THRESHOLD, as of this process's last clean-up or try.",
)
LLM_WAITING = Gauge("posta_llm_waiting_questions", "Questions of this process that wait for room.")

# --- dlq-admin -----------------------------------------------------------------------------------
DLQ_OPEN = Gauge("posta_dlq_open_messages", "Dead letters waiting for a decision.", ["group"])
DLQ_OLDEST = Gauge("posta_dlq_oldest_seconds", "Age of the oldest open dead letter.")
DLQ_ACTIONS = Counter("posta_dlq_actions_total", "What admins did with dead letters.", ["action", "outcome"])

# --- names of the earlier systems ----------------------------------------------------------------
# What their users watch, with the same names; each service fills in what it knows.
LEGACY_TOTAL = TallyCounter("discord_interactions_total", "Discord interactions handled.", ())
LEGACY_SUCCESS = Gauge("discord_interactions_success", "Of those, how many got what they wanted or a reason.")
LEGACY_FAILED = Gauge("discord_interactions_failed", "Of those, how many were lost through us.")
LEGACY_RESPONSE_MS = Gauge("discord_response_time_ms", "Mean time to answer, of the newest.")
LEGACY_QUEUE = Gauge("discord_queue_size", "Events that wait in this service.")
LEGACY_WORKERS = Gauge("discord_active_workers", "Requests being answered now.")
LEGACY_RETRIES = Gauge("discord_retry_count", "Attempts that were repeated since the start.")
