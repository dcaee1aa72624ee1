// Watch, Export: leases as they open and end.
#include "change_position.hpp"
#include "export_stream.hpp"
#include "interval.hpp"
#include "method.hpp"
#include "query.hpp"
#include "replies.hpp"
#include "watch_stream.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace portd::server {

namespace {

// Where the caller wants to go on; absent if it does not, or if that is no cursor of ours.
std::optional<ChangePosition> position_of(const std::optional<std::string> &cursor,
                                          CursorOf method) {
    return cursor ? parse_cursor(*cursor, method) : std::nullopt;
}

const proto::InvalidField no_such_cursor{"afterCursor", "is not a cursor of this method"};

} // namespace

Answer watch(const Request &request) {
    const auto decoded = proto::decode<proto::WatchRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::WatchRequest>(decoded);

    auto query = query_of(wire, request.caller, request.now_us);
    if (const auto *field = std::get_if<proto::InvalidField>(&query))
        return invalid(*field);

    WatchQuestion question;
    question.query = std::get<model::LeaseQuery>(std::move(query));
    question.after = position_of(wire.after_cursor, CursorOf::watch);
    if (wire.after_cursor && !question.after)
        return invalid(no_such_cursor);
    // By its choice of cursors a caller could find out when a lease was opened.
    question.others =
        question.after ? OthersOpen::withheld : others_in(question.query, request.now_us);
    return std::make_unique<WatchStream>(std::move(question), request.caller);
}

Answer export_(const Request &request) {
    const auto decoded = proto::decode<proto::ExportRequest>(request.parameters);
    if (const auto *field = std::get_if<proto::InvalidField>(&decoded))
        return invalid(*field);
    const auto &wire = std::get<proto::ExportRequest>(decoded);
    if (wire.follow && wire.until_usec)
        return failure(proto::errors::invalid_interval, "reason", "follow excludes untilUsec");
    proto::HistoryRequest bounds;
    bounds.since_usec = wire.since_usec;
    bounds.until_usec = wire.until_usec;
    const auto interval = interval_of(bounds);
    if (const auto *none = std::get_if<NoInterval>(&interval))
        return failure(proto::errors::invalid_interval, "reason", none->reason);

    ExportQuestion question{std::get<Interval>(interval), wire.follow, {}};
    if (wire.after_cursor) {
        const auto after = position_of(wire.after_cursor, CursorOf::export_);
        if (!after)
            return invalid(no_such_cursor);
        question.after = *after;
    }
    return std::make_unique<ExportStream>(question, request.caller);
}

} // namespace portd::server
