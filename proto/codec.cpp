// Every struct is described once, by a function that shows its fields to a visitor; the Encoder and
// the Decoder are the visitors. A field whose type is std::optional may be absent, any other is
// required, unless the description says otherwise:
//   flag   a bool that is on the wire only where it is true
//   list   a vector that is on the wire only where it is not empty
//   count  a number that is on the wire only where it is not 0
//   word   a value of an enumeration that keeps its default where it is absent
#include "proto/codec.hpp"

#include "proto/answers.hpp"
#include "proto/utf8.hpp"

#include <nlohmann/json.hpp>

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <type_traits>
#include <utility>

namespace portd::proto {
namespace {

using nlohmann::json;

// What an integer may be.
struct Bounds {
    std::int64_t low = std::numeric_limits<std::int64_t>::min();
    std::int64_t high = std::numeric_limits<std::int64_t>::max();
};
constexpr Bounds any_integer{};
constexpr Bounds not_negative{0, any_integer.high};
constexpr Bounds positive{1, any_integer.high};
constexpr Bounds number_of_32_bits{0, 4'294'967'295};
constexpr Bounds asked_port{1, 65535};
constexpr Bounds told_port{0, 65535};

template <typename T, typename S>
concept Is = std::same_as<std::remove_const_t<T>, S>;

void describe(auto &visit, Is<Moment> auto &moment) {
    visit("usec", moment.usec);
    visit("earliestUsec", moment.earliest_usec);
    visit("latestUsec", moment.latest_usec);
    visit("bootUsec", moment.boot_usec);
    visit("provenance", moment.provenance);
}

void describe(auto &visit, Is<Ancestor> auto &ancestor) {
    visit("pid", ancestor.pid);
    visit("command", ancestor.command);
}

void describe(auto &visit, Is<Process> auto &process) {
    visit("provenance", process.provenance);
    visit("pid", process.pid);
    visit("startUsec", process.start_usec);
    visit("executable", process.executable);
    visit("command", process.command);
    visit("arguments", process.arguments);
    visit("uid", process.uid);
    visit("gid", process.gid);
    visit("loginUid", process.login_uid);
    visit("user", process.user);
    visit("controlGroup", process.control_group);
    visit("unit", process.unit);
    visit("slice", process.slice);
    visit("container", process.container);
    visit.list("ancestors", process.ancestors);
}

void describe(auto &visit, Is<Lease> auto &lease) {
    visit("id", lease.id);
    visit("bootId", lease.boot_id);
    visit("cookie", lease.cookie);
    visit("protocol", lease.protocol);
    visit("family", lease.family);
    visit("localAddress", lease.local_address);
    visit("localPort", lease.local_port, told_port);
    visit("peerAddress", lease.peer_address);
    visit("peerPort", lease.peer_port, told_port);
    visit("networkNamespace", lease.network_namespace);
    visit("networkNamespaceName", lease.network_namespace_name);
    visit("role", lease.role);
    visit("portChoice", lease.port_choice);
    visit("phase", lease.phase);
    visit("outcome", lease.outcome);
    visit("opened", lease.opened);
    visit("closed", lease.closed);
    visit("freed", lease.freed);
    visit("uid", lease.uid);
    visit("user", lease.user);
    visit("opener", lease.opener);
    visit("lastHolder", lease.last_holder);
    visit("holders", lease.holders);
    visit("bytesSent", lease.bytes_sent);
    visit("bytesReceived", lease.bytes_received);
    visit("incomplete", lease.incomplete);
}

void describe(auto &visit, Is<BindFailure> auto &failure) {
    visit("bootId", failure.boot_id);
    visit("atUsec", failure.at_usec);
    visit("bootUsec", failure.boot_usec);
    visit("protocol", failure.protocol);
    visit("family", failure.family);
    visit("localAddress", failure.local_address);
    visit("localPort", failure.local_port, told_port);
    visit("networkNamespace", failure.network_namespace);
    visit("networkNamespaceName", failure.network_namespace_name);
    visit("uid", failure.uid);
    visit("user", failure.user);
    visit("process", failure.process);
    visit("error", failure.error);
    visit("errorProvenance", failure.error_provenance);
    visit("inTheWay", failure.in_the_way);
    visit("incomplete", failure.incomplete);
}

void describe(auto &visit, Is<CoverageInterval> auto &interval) {
    visit("sinceUsec", interval.since_usec);
    visit("untilUsec", interval.until_usec);
    visit("source", interval.source);
}

void describe(auto &visit, Is<Gap> auto &gap) {
    visit("sinceUsec", gap.since_usec);
    visit("untilUsec", gap.until_usec);
    visit("cause", gap.cause);
    visit("lostEvents", gap.lost_events);
}

void describe(auto &visit, Is<ClockStep> auto &step) {
    visit("fromUsec", step.from_usec);
    visit("toUsec", step.to_usec);
}

void describe(auto &visit, Is<Coverage> auto &coverage) {
    visit("intervals", coverage.intervals);
    visit("gaps", coverage.gaps);
    visit.list("clockSteps", coverage.clock_steps);
    visit("complete", coverage.complete);
}

void describe_filter(auto &visit, auto &filter) {
    visit("port", filter.port, asked_port);
    visit("protocol", filter.protocol);
    visit("pid", filter.pid, positive);
    visit("executable", filter.executable);
    visit("command", filter.command);
    visit("unit", filter.unit);
    visit("container", filter.container);
    visit("uid", filter.uid, number_of_32_bits);
    visit("networkNamespace", filter.network_namespace, number_of_32_bits);
    visit("networkNamespaceName", filter.network_namespace_name);
    visit("peerAddress", filter.peer_address);
    visit("peerPort", filter.peer_port, asked_port);
    visit("localAddress", filter.local_address);
    visit("role", filter.role);
    visit("outcome", filter.outcome);
    visit("shorterThanUsec", filter.shorter_than_usec, positive);
    visit("longerThanUsec", filter.longer_than_usec, not_negative);
}

void describe(auto &visit, Is<HistoryRequest> auto &request) {
    describe_filter(visit, request);
    visit("atUsec", request.at_usec);
    visit("withinUsec", request.within_usec, not_negative);
    visit("sinceUsec", request.since_usec);
    visit("untilUsec", request.until_usec);
    visit("limit", request.limit, positive);
    visit.flag("newestFirst", request.newest_first);
    visit("cursor", request.cursor);
}

void describe(auto &visit, Is<ListRequest> auto &request) {
    describe_filter(visit, request);
    visit("limit", request.limit, positive);
}

void describe(auto &visit, Is<AuditRequest> auto &request) {
    describe_filter(visit, request);
    visit("sinceUsec", request.since_usec);
    visit("untilUsec", request.until_usec);
    visit.word("by", request.by);
    visit.word("order", request.order);
    visit("limit", request.limit, positive);
}

void describe(auto &visit, Is<OutcomeCount> auto &count) {
    visit("outcome", count.outcome);
    visit("leases", count.leases);
}

void describe(auto &visit, Is<AuditGroup> auto &group) {
    visit("known", group.known);
    visit("executable", group.executable);
    visit("command", group.command);
    visit("unit", group.unit);
    visit("container", group.container);
    visit("uid", group.uid);
    visit("user", group.user);
    visit("peerAddress", group.peer_address);
    visit("leases", group.leases);
    visit("open", group.open);
    visit("bindFailures", group.bind_failures);
    visit("outcomes", group.outcomes);
    visit("firstUsec", group.first_usec);
    visit("lastUsec", group.last_usec);
    visit("measured", group.measured);
    visit("medianUsec", group.median_usec);
    visit("p99Usec", group.p99_usec);
    visit("longestUsec", group.longest_usec);
    visit("bytesSent", group.bytes_sent);
    visit("bytesReceived", group.bytes_received);
}

void describe(auto &visit, Is<AuditProgress> auto &progress) {
    visit("examined", progress.examined);
    visit("reachedUsec", progress.reached_usec);
}

void describe(auto &visit, Is<AuditReply> auto &reply) {
    visit("progress", reply.progress);
    visit("group", reply.group);
    visit("other", reply.other);
    visit.count("groupsInOther", reply.groups_in_other);
    visit("coverage", reply.coverage);
    visit.flag("withheld", reply.withheld);
}

void describe(auto &visit, Is<FileReport> auto &report) {
    visit("file", report.file);
    visit("sealed", report.sealed);
    visit("bytes", report.bytes);
    visit("leases", report.leases);
    visit("bindFailures", report.bind_failures);
    visit("findings", report.findings);
}

void describe(auto &visit, Is<VerifyProgress> auto &progress) {
    visit("file", progress.file);
    visit("examined", progress.examined);
}

void describe(auto &visit, Is<VerifyReply> auto &reply) {
    visit("progress", reply.progress);
    visit("file", reply.file);
    visit("sound", reply.sound);
    visit.list("record", reply.record);
}

void describe(auto &visit, Is<WatchRequest> auto &request) {
    describe_filter(visit, request);
    visit("afterCursor", request.after_cursor);
}

void describe(auto &visit, Is<ExportRequest> auto &request) {
    visit("sinceUsec", request.since_usec);
    visit("untilUsec", request.until_usec);
    visit.flag("follow", request.follow);
    visit("afterCursor", request.after_cursor);
}

void describe(auto &visit, Is<PortRequest> auto &request) {
    visit("port", request.port, asked_port);
}

void describe(auto &visit, Is<LeaseReply> auto &reply) {
    visit("lease", reply.lease);
    visit("bindFailure", reply.bind_failure);
    visit("cursor", reply.cursor);
    visit("coverage", reply.coverage);
    visit.flag("withheld", reply.withheld);
}

void describe(auto &visit, Is<WatchReply> auto &reply) {
    visit("event", reply.event);
    visit("lease", reply.lease);
    visit("gap", reply.gap);
    visit("coverage", reply.coverage);
    visit.flag("withheld", reply.withheld);
    visit("cursor", reply.cursor);
}

void describe(auto &visit, Is<ExportReply> auto &reply) {
    visit("lease", reply.lease);
    visit("gap", reply.gap);
    visit("coverage", reply.coverage);
    visit.flag("withheld", reply.withheld);
    visit("cursor", reply.cursor);
}

void describe(auto &visit, Is<WhoReply> auto &reply) {
    visit("holders", reply.holders);
    visit("last", reply.last);
    visit("coverage", reply.coverage);
    visit("withheld", reply.withheld);
    visit.flag("truncated", reply.truncated);
}

void describe(auto &visit, Is<Explanation> auto &explanation) {
    visit("port", explanation.port, told_port);
    visit("ianaClass", explanation.iana_class);
    visit("ianaReference", explanation.iana_reference);
    visit("rangeLow", explanation.range_low, told_port);
    visit("rangeHigh", explanation.range_high, told_port);
    visit("inRange", explanation.in_range);
    visit("reserved", explanation.reserved);
    visit("privileged", explanation.privileged);
    visit("recorded", explanation.recorded);
    visit("services", explanation.services);
    visit("who", explanation.who);
}

void describe(auto &visit, Is<WhyRequest> auto &request) {
    visit("port", request.port, asked_port);
    visit("protocol", request.protocol);
    visit("localAddress", request.local_address);
    visit("networkNamespace", request.network_namespace, number_of_32_bits);
    visit("sinceUsec", request.since_usec);
}

void describe(auto &visit, Is<BindObstacle> auto &obstacle) {
    visit("lease", obstacle.lease);
    visit("verdict", obstacle.verdict);
    visit("reason", obstacle.reason);
    visit.list("sharedBy", obstacle.shared_by);
}

void describe(auto &visit, Is<BlockedTime> auto &time) {
    visit("sinceUsec", time.since_usec);
    visit("untilUsec", time.until_usec);
    visit("certain", time.certain);
    visit("leases", time.leases);
    visit("localAddress", time.local_address);
    visit("role", time.role);
    visit("user", time.user);
    visit("process", time.process);
}

void describe(auto &visit, Is<Diagnosis> auto &diagnosis) {
    visit("networkNamespace", diagnosis.network_namespace);
    visit("rangeLow", diagnosis.range_low, told_port);
    visit("rangeHigh", diagnosis.range_high, told_port);
    visit("reservedPorts", diagnosis.reserved_ports);
    visit("inRange", diagnosis.in_range);
    visit("reserved", diagnosis.reserved);
    visit("privileged", diagnosis.privileged);
    visit("recorded", diagnosis.recorded);
    visit("blocking", diagnosis.blocking);
    visit("perhapsBlocking", diagnosis.perhaps_blocking);
    visit("notBlocking", diagnosis.not_blocking);
    visit("obstacles", diagnosis.obstacles);
    visit("sinceUsec", diagnosis.since_usec);
    visit("leases", diagnosis.leases);
    visit("automaticLeases", diagnosis.automatic_leases);
    visit("programs", diagnosis.programs);
    visit("blocked", diagnosis.blocked);
    visit("blockedEarlier", diagnosis.blocked_earlier);
    visit("failures", diagnosis.failures);
    visit("failuresEarlier", diagnosis.failures_earlier);
    visit("coverage", diagnosis.coverage);
    visit("withheld", diagnosis.withheld);
}

void describe(auto &visit, Is<WhyReply> auto &reply) {
    visit("progress", reply.progress);
    visit("diagnosis", reply.diagnosis);
}

void describe(auto &visit, Is<ConflictsRequest> auto &request) {
    visit("sinceUsec", request.since_usec);
}

void describe(auto &visit, Is<PortConflict> auto &conflict) {
    visit("port", conflict.port, told_port);
    visit("protocol", conflict.protocol);
    visit("holder", conflict.holder);
    visit("automaticLeases", conflict.automatic_leases);
    visit("lastAutomaticUsec", conflict.last_automatic_usec);
    visit("programs", conflict.programs);
    visit("refusedBinds", conflict.refused_binds);
    visit("lastRefused", conflict.last_refused);
}

void describe(auto &visit, Is<ConflictsSummary> auto &summary) {
    visit("networkNamespace", summary.network_namespace);
    visit("rangeLow", summary.range_low, told_port);
    visit("rangeHigh", summary.range_high, told_port);
    visit("reservedPorts", summary.reserved_ports);
    visit("sinceUsec", summary.since_usec);
    visit("conflicts", summary.conflicts);
    visit("reserved", summary.reserved);
    visit("choiceUnknown", summary.choice_unknown);
    visit("coverage", summary.coverage);
    visit("withheld", summary.withheld);
}

void describe(auto &visit, Is<ConflictsReply> auto &reply) {
    visit("progress", reply.progress);
    visit("conflict", reply.conflict);
    visit("summary", reply.summary);
}

void describe(auto &visit, Is<PressureRequest> auto &request) {
    visit("protocol", request.protocol);
    visit("networkNamespace", request.network_namespace, number_of_32_bits);
    visit("windowUsec", request.window_usec, positive);
    visit("limit", request.limit, positive);
}

void describe(auto &visit, Is<PoolPressure> auto &pool) {
    visit("networkNamespace", pool.network_namespace);
    visit("networkNamespaceName", pool.network_namespace_name);
    visit("protocol", pool.protocol);
    visit("kind", pool.kind);
    visit("localAddress", pool.local_address);
    visit("peerAddress", pool.peer_address);
    visit("peerPort", pool.peer_port, told_port);
    visit("automaticPorts", pool.automatic_ports);
    visit("usedPorts", pool.used_ports);
    visit("livePorts", pool.live_ports);
    visit("boundPorts", pool.bound_ports);
    visit("lingeringPorts", pool.lingering_ports);
    visit("portsPerHour", pool.ports_per_hour);
    visit("exhaustedUsec", pool.exhausted_usec);
    visit("programs", pool.programs);
}

void describe(auto &visit, Is<PressureSummary> auto &summary) {
    visit("networkNamespace", summary.network_namespace);
    visit("rangeLow", summary.range_low, told_port);
    visit("rangeHigh", summary.range_high, told_port);
    visit("reservedPorts", summary.reserved_ports);
    visit("windowUsec", summary.window_usec);
    visit("otherDestinations", summary.other_destinations);
    visit("coverage", summary.coverage);
    visit("withheld", summary.withheld);
}

void describe(auto &visit, Is<PressureReply> auto &reply) {
    visit("progress", reply.progress);
    visit("pool", reply.pool);
    visit("summary", reply.summary);
}

void describe(auto &visit, Is<LossCount> auto &loss) {
    visit("cause", loss.cause);
    visit("events", loss.events);
}

void describe(auto &visit, Is<SelfCheck> auto &check) {
    visit("atUsec", check.at_usec);
    visit("passed", check.passed);
    visit("detail", check.detail);
}

void describe(auto &visit, Is<PoolUse> auto &pool) {
    visit("networkNamespace", pool.network_namespace);
    visit("protocol", pool.protocol);
    visit("openPorts", pool.open_ports);
    visit("automaticPorts", pool.automatic_ports);
    visit("openAutomaticPorts", pool.open_automatic_ports);
}

void describe(auto &visit, Is<Status> auto &status) {
    visit("version", status.version);
    visit("tier", status.tier);
    visit("tierReasons", status.tier_reasons);
    visit("startedUsec", status.started_usec);
    visit("watchingSinceUsec", status.watching_since_usec);
    visit("lastSnapshotUsec", status.last_snapshot_usec);
    visit("samples", status.samples);
    visit("unseenSockets", status.unseen_sockets);
    visit("eventsPerSecond", status.events_per_second, not_negative);
    visit("eventsIssued", status.events_issued, not_negative);
    visit("eventsReceived", status.events_received, not_negative);
    visit("eventsLost", status.events_lost, not_negative);
    visit("witnessMisses", status.witness_misses, not_negative);
    visit("witnessOverflows", status.witness_overflows, not_negative);
    visit("selfCheck", status.self_check);
    visit("intervalUsec", status.interval_usec);
    visit("ports", status.ports);
    visit("rangeLow", status.range_low, told_port);
    visit("rangeHigh", status.range_high, told_port);
    visit("networkNamespace", status.network_namespace);
    visit("openLeases", status.open_leases);
    visit("leasesOpened", status.leases_opened);
    visit("leasesEnded", status.leases_ended);
    visit("bindFailures", status.bind_failures);
    visit("gapsRecorded", status.gaps_recorded);
    visit("pools", status.pools);
    visit("storedLeases", status.stored_leases);
    visit("storedBytes", status.stored_bytes);
    visit("losses", status.losses);
    visit("gaps", status.gaps);
    visit.list("clockSteps", status.clock_steps);
    visit("cpuUsec", status.cpu_usec);
    visit("residentBytes", status.resident_bytes);
}

template <typename T>
json encode_struct(const T &value);

class Encoder {
  public:
    explicit Encoder(json &object) : object_(object) {}

    template <typename T>
    void operator()(const char *name, const T &value, Bounds = any_integer) {
        object_[name] = to_json(value);
    }
    template <typename T>
    void operator()(const char *name, const std::optional<T> &value, Bounds = any_integer) {
        if (value)
            object_[name] = to_json(*value);
    }
    void flag(const char *name, bool value) {
        if (value)
            object_[name] = true;
    }
    template <typename T>
    void list(const char *name, const std::vector<T> &values) {
        if (!values.empty())
            object_[name] = to_json(values);
    }
    void count(const char *name, std::int64_t value) {
        if (value != 0)
            object_[name] = value;
    }
    template <typename Enum>
    void word(const char *name, Enum value) {
        object_[name] = to_json(value);
    }

  private:
    template <typename T>
    static json to_json(const T &value) {
        if constexpr (std::is_enum_v<T>)
            return std::string(to_string(value));
        else if constexpr (std::same_as<T, std::string>)
            return to_utf8(value);
        else if constexpr (std::same_as<T, std::int64_t> || std::same_as<T, bool>)
            return value;
        else
            return encode_struct(value);
    }
    template <typename T>
    static json to_json(const std::vector<T> &values) {
        json array = json::array();
        for (const T &value : values)
            array.push_back(to_json(value));
        return array;
    }

    json &object_;
};

template <typename T>
json encode_struct(const T &value) {
    json object = json::object();
    Encoder encoder(object);
    describe(encoder, value);
    return object;
}

enum class Unknown { refused, ignored };

// Reads one object. Stops at the first field that cannot be used, and keeps what was wrong with it.
class Decoder {
  public:
    Decoder(const json &object, std::string path) : object_(object), path_(std::move(path)) {}

    template <typename T>
    void operator()(const char *name, T &value, Bounds bounds = any_integer) {
        if (const json *found = find(name))
            read(*found, path_ + name, value, bounds);
        else if (!fault_)
            fault_ = InvalidField{path_ + name, "is required"};
    }
    template <typename T>
    void operator()(const char *name, std::optional<T> &value, Bounds bounds = any_integer) {
        if (const json *found = find(name))
            read(*found, path_ + name, value.emplace(), bounds);
    }
    void flag(const char *name, bool &value) {
        if (const json *found = find(name))
            read(*found, path_ + name, value, any_integer);
    }
    template <typename T>
    void list(const char *name, std::vector<T> &values) {
        if (const json *found = find(name))
            read(*found, path_ + name, values, any_integer);
    }
    void count(const char *name, std::int64_t &value) {
        if (const json *found = find(name))
            read(*found, path_ + name, value, not_negative);
    }
    template <typename Enum>
    void word(const char *name, Enum &value) {
        if (const json *found = find(name))
            read(*found, path_ + name, value, any_integer);
    }

    void refuse_unknown() {
        for (const auto &[name, value] : object_.items())
            if (!fault_ && !known_.contains(name))
                fault_ = InvalidField{path_ + name, "is not a parameter of this method"};
    }

    std::optional<InvalidField> take_fault() { return std::move(fault_); }

  private:
    // The value, unless it is absent, null, or something was wrong before.
    const json *find(const char *name) {
        known_.insert(name);
        if (fault_)
            return nullptr;
        const auto found = object_.find(name);
        return found == object_.end() || found->is_null() ? nullptr : &*found;
    }

    void expect(bool met, const std::string &path, const char *reason) {
        if (!met)
            fault_ = InvalidField{path, reason};
    }

    void read(const json &value, const std::string &path, std::int64_t &out, Bounds bounds) {
        if (!value.is_number_integer())
            return expect(false, path, "is not an integer");
        const bool fits =
            !value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX};
        if (!fits || value.get<std::int64_t>() < bounds.low ||
            value.get<std::int64_t>() > bounds.high) {
            fault_ = InvalidField{path, "is not within " + std::to_string(bounds.low) + " to " +
                                            std::to_string(bounds.high)};
            return;
        }
        out = value.get<std::int64_t>();
    }

    void read(const json &value, const std::string &path, bool &out, Bounds) {
        expect(value.is_boolean(), path, "is not a boolean");
        if (value.is_boolean())
            out = value.get<bool>();
    }

    void read(const json &value, const std::string &path, std::string &out, Bounds) {
        expect(value.is_string(), path, "is not a string");
        if (value.is_string())
            out = value.get<std::string>();
    }

    template <typename T>
    requires std::is_enum_v<T>
    void read(const json &value, const std::string &path, T &out, Bounds) {
        const auto word =
            value.is_string() ? parse_word<T>(value.get_ref<const std::string &>()) : std::nullopt;
        expect(word.has_value(), path, "is not a word of its list");
        out = word.value_or(out);
    }

    template <typename T>
    requires std::is_class_v<T>
    void read(const json &value, const std::string &path, T &out, Bounds) {
        if (!value.is_object())
            return expect(false, path, "is not an object");
        Decoder inner(value, path + ".");
        describe(inner, out);
        fault_ = inner.take_fault();
    }

    template <typename T>
    void read(const json &value, const std::string &path, std::vector<T> &out, Bounds) {
        if (!value.is_array())
            return expect(false, path, "is not an array");
        for (std::size_t i = 0; i < value.size() && !fault_; ++i)
            read(value[i], path + "[" + std::to_string(i) + "]", out.emplace_back(), any_integer);
    }

    const json &object_;
    std::string path_;
    std::set<std::string_view> known_;
    std::optional<InvalidField> fault_;
};

template <typename T>
Decoded<T> decode_struct(const json &parameters, Unknown unknown) {
    if (!parameters.is_object())
        return InvalidField{"parameters", "is not an object"};
    T value;
    Decoder decoder(parameters, "");
    describe(decoder, value);
    if (unknown == Unknown::refused)
        decoder.refuse_unknown();
    if (auto fault = decoder.take_fault())
        return std::move(*fault);
    return value;
}

} // namespace

json encode(const Lease &value) {
    return encode_struct(value);
}
json encode(const BindFailure &value) {
    return encode_struct(value);
}
json encode(const Coverage &value) {
    return encode_struct(value);
}
json encode(const HistoryRequest &value) {
    return encode_struct(value);
}
json encode(const ListRequest &value) {
    return encode_struct(value);
}
json encode(const AuditRequest &value) {
    return encode_struct(value);
}
json encode(const WatchRequest &value) {
    return encode_struct(value);
}
json encode(const ExportRequest &value) {
    return encode_struct(value);
}
json encode(const PortRequest &value) {
    return encode_struct(value);
}
json encode(const WhoReply &value) {
    return encode_struct(value);
}
json encode(const Explanation &value) {
    return encode_struct(value);
}
json encode(const Status &value) {
    return encode_struct(value);
}

json encode(const WhyRequest &value) {
    return encode_struct(value);
}
json encode(const WhyReply &value) {
    return encode_struct(value);
}

json encode(const ConflictsRequest &value) {
    return encode_struct(value);
}
json encode(const ConflictsReply &value) {
    return encode_struct(value);
}
json encode(const PressureRequest &value) {
    return encode_struct(value);
}
json encode(const PressureReply &value) {
    return encode_struct(value);
}

json encode(const VerifyReply &value) {
    return encode_struct(value);
}

// The reply with the coverage says either way whether something was withheld.
template <typename Reply>
json encode_answer(const Reply &value) {
    json object = encode_struct(value);
    if (value.coverage)
        object["withheld"] = value.withheld;
    return object;
}

json encode(const LeaseReply &value) {
    return encode_answer(value);
}
json encode(const AuditReply &value) {
    return encode_answer(value);
}
json encode(const WatchReply &value) {
    return encode_answer(value);
}
json encode(const ExportReply &value) {
    return encode_answer(value);
}

template <>
Decoded<HistoryRequest> decode(const json &parameters) {
    return decode_struct<HistoryRequest>(parameters, Unknown::refused);
}
template <>
Decoded<ListRequest> decode(const json &parameters) {
    return decode_struct<ListRequest>(parameters, Unknown::refused);
}
template <>
Decoded<AuditRequest> decode(const json &parameters) {
    return decode_struct<AuditRequest>(parameters, Unknown::refused);
}
template <>
Decoded<AuditReply> decode(const json &parameters) {
    return decode_struct<AuditReply>(parameters, Unknown::ignored);
}
template <>
Decoded<WhyRequest> decode(const json &parameters) {
    return decode_struct<WhyRequest>(parameters, Unknown::refused);
}
template <>
Decoded<WhyReply> decode(const json &parameters) {
    return decode_struct<WhyReply>(parameters, Unknown::ignored);
}
template <>
Decoded<ConflictsRequest> decode(const json &parameters) {
    return decode_struct<ConflictsRequest>(parameters, Unknown::refused);
}
template <>
Decoded<ConflictsReply> decode(const json &parameters) {
    return decode_struct<ConflictsReply>(parameters, Unknown::ignored);
}
template <>
Decoded<PressureRequest> decode(const json &parameters) {
    return decode_struct<PressureRequest>(parameters, Unknown::refused);
}
template <>
Decoded<PressureReply> decode(const json &parameters) {
    return decode_struct<PressureReply>(parameters, Unknown::ignored);
}
template <>
Decoded<VerifyReply> decode(const json &parameters) {
    return decode_struct<VerifyReply>(parameters, Unknown::ignored);
}
template <>
Decoded<WatchRequest> decode(const json &parameters) {
    return decode_struct<WatchRequest>(parameters, Unknown::refused);
}
template <>
Decoded<ExportRequest> decode(const json &parameters) {
    return decode_struct<ExportRequest>(parameters, Unknown::refused);
}
template <>
Decoded<WatchReply> decode(const json &parameters) {
    return decode_struct<WatchReply>(parameters, Unknown::ignored);
}
template <>
Decoded<ExportReply> decode(const json &parameters) {
    return decode_struct<ExportReply>(parameters, Unknown::ignored);
}
template <>
Decoded<PortRequest> decode(const json &parameters) {
    return decode_struct<PortRequest>(parameters, Unknown::refused);
}
template <>
Decoded<LeaseReply> decode(const json &parameters) {
    return decode_struct<LeaseReply>(parameters, Unknown::ignored);
}
template <>
Decoded<WhoReply> decode(const json &parameters) {
    return decode_struct<WhoReply>(parameters, Unknown::ignored);
}
template <>
Decoded<Explanation> decode(const json &parameters) {
    return decode_struct<Explanation>(parameters, Unknown::ignored);
}
template <>
Decoded<Status> decode(const json &parameters) {
    return decode_struct<Status>(parameters, Unknown::ignored);
}

} // namespace portd::proto
