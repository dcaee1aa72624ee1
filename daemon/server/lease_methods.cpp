// History, List, Audit: leases that meet conditions, one by one or summed up.
#include "audit_stream.hpp"
#include "cursor.hpp"
#include "interval.hpp"
#include "lease_stream.hpp"
#include "method.hpp"
#include "query.hpp"
#include "replies.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace portd::server {

namespace {

// Goes on where the cursor stands.
std::optional<proto::InvalidField> resume(LeaseQuestion &question, const std::string &text) {
    const auto cursor = parse_cursor(text);
    if (!cursor)
        return proto::InvalidField{"cursor", "is not a cursor of this version"};
    if (question.query.newest_first && !cursor->newest_first)
        return proto::InvalidField{"cursor", "is of an answer that had the oldest first"};
    question.after = *cursor;
    question.query.newest_first = cursor->newest_first;
    question.others = OthersOpen::withheld;
    return std::nullopt;
}

} // namespace

Answer history(const Request &request) {
    const auto decoded = proto::decode<proto::HistoryRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::HistoryRequest>(decoded);
    const auto interval = interval_of(wire);
    if (const auto *none = std::get_if<NoInterval>(&interval))
        return failure(proto::errors::invalid_interval, "reason", none->reason);

    auto query = query_of(wire, request.caller, request.now_us);
    if (const auto *field = std::get_if<proto::InvalidField>(&query))
        return invalid(*field);

    if (wire.newest && (wire.limit || wire.newest_first || wire.cursor))
        return invalid({"newest", "excludes limit, newestFirst and cursor"});
    LeaseQuestion question;
    question.coverage_of = std::get<Interval>(interval);
    question.query = std::get<model::LeaseQuery>(std::move(query));
    question.query.since_us = question.coverage_of->since_us;
    question.query.until_us = question.coverage_of->until_us;
    question.query.newest_first = wire.newest_first;
    question.limit = wire.limit;
    question.newest = wire.newest;
    question.with_bind_failures = true;
    question.others = others_in(question.query, request.now_us);
    if (wire.cursor)
        if (const auto field = resume(question, *wire.cursor))
            return invalid(*field);
    question.withheld = request.caller.sight == Sight::own;
    question.recorded = is_recorded(question.query, request.backend);
    return std::make_unique<LeaseStream>(std::move(question), request.caller);
}

Answer list(const Request &request) {
    const auto decoded = proto::decode<proto::ListRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::ListRequest>(decoded);
    auto query = query_of(wire, request.caller, request.now_us);
    if (const auto *field = std::get_if<proto::InvalidField>(&query))
        return invalid(*field);

    LeaseQuestion question;
    question.query = std::get<model::LeaseQuery>(std::move(query));
    question.query.open_only = true;
    question.limit = wire.limit;
    question.others = others_in(question.query, request.now_us);
    question.withheld =
        request.caller.sight == Sight::own && question.others == OthersOpen::withheld;
    question.recorded = is_recorded(question.query, request.backend);
    return std::make_unique<LeaseStream>(std::move(question), request.caller);
}

Answer audit(const Request &request) {
    const auto decoded = proto::decode<proto::AuditRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::AuditRequest>(decoded);
    if (wire.since_usec && wire.until_usec && *wire.since_usec > *wire.until_usec)
        return failure(proto::errors::invalid_interval, "reason", "sinceUsec is after untilUsec");
    auto query = query_of(wire, request.caller, request.now_us);
    if (const auto *field = std::get_if<proto::InvalidField>(&query))
        return invalid(*field);

    AuditQuestion question;
    question.query = std::get<model::LeaseQuery>(std::move(query));
    question.query.since_us = wire.since_usec;
    question.query.until_us = wire.until_usec;
    question.interval = {wire.since_usec, wire.until_usec};
    question.by = wire.by;
    question.order = wire.order;
    if (wire.limit)
        question.limit =
            static_cast<std::size_t>(std::min<std::int64_t>(*wire.limit, AuditTable::most_groups));
    question.recorded = is_recorded(question.query, request.backend);
    return std::make_unique<AuditStream>(std::move(question), request.caller, request.now_us);
}

} // namespace portd::server
