#include "client/flow_finder.hpp"

#include "client/community_id.hpp"
#include "client/exchange.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

namespace portd::client {
namespace {

constexpr std::size_t most_rows = 4096;
constexpr std::size_t most_row_bytes = 4 << 20;
// Times that are no further apart are asked for together.
constexpr std::int64_t close_usec = 1'000'000;

using RowsById = std::unordered_multimap<std::string, LogRow *>;

// The flow of a lease, as whoever began it wrote it. That of a datagram socket may have been begun
// by either end.
proto::Flow flow_of(const proto::Lease &lease) {
    proto::Flow flow;
    flow.protocol = lease.protocol;
    flow.source_address = lease.local_address;
    flow.source_port = lease.local_port;
    flow.destination_address = lease.peer_address;
    flow.destination_port = lease.peer_port;
    if (lease.role == Role::accepted) {
        std::swap(flow.source_address, flow.destination_address);
        std::swap(flow.source_port, flow.destination_port);
    }
    return flow;
}

void take_flow(const proto::Lease &lease, const RowsById &rows) {
    if (!lease.peer_address || !lease.peer_port)
        return;
    const auto id = community_id(lease.protocol, lease.local_address, lease.local_port,
                                 *lease.peer_address, *lease.peer_port);
    if (!id)
        return;
    const auto [first, last] = rows.equal_range(*id);
    for (auto found = first; found != last; ++found) {
        LogRow &row = *found->second;
        if (row.kind == LogRow::Kind::flow)
            continue;
        proto::Flow flow = flow_of(lease);
        flow.at_usec = row.flow.at_usec;
        flow.duration_usec = row.flow.duration_usec;
        row.flow = std::move(flow);
        row.kind = LogRow::Kind::flow;
    }
}

// Which of the gaps are in the time of the row.
std::vector<std::string> causes_of(const proto::Coverage &coverage, std::int64_t since_usec,
                                   std::int64_t until_usec) {
    std::vector<std::string> causes;
    for (const proto::Gap &gap : coverage.gaps)
        if (gap.since_usec.value_or(since_usec) <= until_usec &&
            gap.until_usec.value_or(until_usec) >= since_usec &&
            std::ranges::find(causes, gap.cause) == causes.end())
            causes.push_back(gap.cause);
    return causes;
}

} // namespace

void FlowFinder::add(LogRow row) {
    if (gathered_.empty() && row.kind != LogRow::Kind::named)
        return on_row_(std::move(row));
    bytes_ += row.line.size();
    gathered_.push_back(std::move(row));
    if (gathered_.size() >= most_rows || bytes_ >= most_row_bytes)
        finish();
}

void FlowFinder::finish() {
    if (const auto times = stretches(); !times.empty()) {
        Connection connection =
            session_.connect(); // another answer may be coming from the first one
        for (const Stretch &stretch : times)
            find(stretch, connection);
    }
    bytes_ = 0;
    for (LogRow &row : std::exchange(gathered_, {}))
        on_row_(std::move(row));
}

FlowFinder::Stretch FlowFinder::stretch_of(LogRow &row) const {
    constexpr std::int64_t end_of_time = std::numeric_limits<std::int64_t>::max();
    const proto::Flow &flow = row.flow;
    const std::int64_t until = flow.at_usec + flow.duration_usec.value_or(0);
    return {flow.at_usec - std::min(within_usec_, flow.at_usec),
            until + std::min(within_usec_, end_of_time - until),
            {&row}};
}

std::vector<FlowFinder::Stretch> FlowFinder::stretches() {
    std::vector<Stretch> each;
    for (LogRow &row : gathered_)
        if (row.kind == LogRow::Kind::named)
            each.push_back(stretch_of(row));
    std::ranges::sort(each, {}, &Stretch::since_usec);
    std::vector<Stretch> together;
    for (Stretch &one : each) {
        if (together.empty() || one.since_usec - close_usec > together.back().until_usec) {
            together.push_back(std::move(one));
            continue;
        }
        Stretch &last = together.back();
        last.until_usec = std::max(last.until_usec, one.until_usec);
        last.rows.push_back(one.rows.front());
    }
    return together;
}

void FlowFinder::find(const Stretch &stretch, Connection &connection) {
    RowsById rows;
    for (LogRow *row : stretch.rows)
        rows.emplace(row->community_id, row);
    proto::HistoryRequest request;
    request.since_usec = stretch.since_usec;
    request.until_usec = stretch.until_usec;
    request.network_namespace = network_namespace_;
    const proto::LeaseReply last =
        ask_leases(connection, proto::methods::history, proto::encode(request), session_,
                   Rows::held, [&rows](Entry entry) {
                       if (const auto *lease = std::get_if<proto::Lease>(&entry))
                           take_flow(*lease, rows);
                   });
    for (LogRow *row : stretch.rows) {
        if (row->kind == LogRow::Kind::flow)
            continue;
        const Stretch own = stretch_of(*row);
        proto::EndAttribution who;
        if (last.withheld) {
            who.confidence = Confidence::withheld;
        } else {
            who.confidence = Confidence::unwatched;
            who.gaps = causes_of(*last.coverage, own.since_usec, own.until_usec);
            if (who.gaps.empty() && own.since_usec <= session_.now_usec()) {
                row->kind = LogRow::Kind::no_lease;
                continue;
            }
        }
        row->answer.emplace().who = std::move(who);
    }
}

} // namespace portd::client
