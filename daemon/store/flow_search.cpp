#include "store/flow_search.hpp"

#include "store/late_index.hpp"
#include "store/lease_state.hpp"
#include "store/lease_times.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

const std::string select_lease =
    "SELECT l.id, l.port, l.peer_port, l.state, l.opened_by_us, l.first_observed_us, "
    "l.opened_spread_us, l.closed_us, l.closed_spread_us, l.freed_us, l.freed_spread_us FROM ";

const std::string by_port = select_lease +
                            "lease_of_port AS o CROSS JOIN lease AS l ON l.id = o.lease WHERE "
                            "o.span_port = ?1 AND o.lease BETWEEN ?2 AND ?3 ORDER BY o.lease";
// Those that wait for that index, sorted in runs.
const std::string by_port_in_runs =
    select_lease + "waiting_run AS r CROSS JOIN waiting_of_port AS o ON o.run = r.last_lease CROSS "
                   "JOIN lease AS l ON l.id = o.lease WHERE o.port = ?1 AND r.last_lease >= ?2 AND "
                   "o.lease BETWEEN ?2 AND ?3 ORDER BY r.last_lease, o.lease";
// And those that are in no run yet, of all ports.
const std::string not_sorted =
    select_lease + "lease AS l WHERE l.id BETWEEN ?1 AND ?2 ORDER BY l.id";

// The row time in which the lease of the row can have had its port.
Stretch life_of(const Execution &row, const Part &part, const LeaseState &state,
                Database &database) {
    LeaseTimes times;
    times.kinds = state.kinds;
    times.opened_by_us = row.integer(4) + part.moment_us(part.serial_of(row.integer(0)));
    times.first_observed_us = row.integer(5);
    times.opened_spread_us = row.optional_integer(6);
    times.closed_us = row.optional_integer(7);
    times.closed_spread_us = row.optional_integer(8);
    times.freed_us = row.optional_integer(9);
    times.freed_spread_us = row.optional_integer(10);
    model::Lease lease;
    if (!unpack_times(times, lease))
        database.damaged("lease " + std::to_string(row.integer(0)) + ": its times cannot be");
    Stretch life;
    if (lease.opened.earliest)
        life.since_us = std::min(to_us(*lease.opened.earliest), times.opened_by_us);
    if (lease.freed && lease.freed->latest)
        life.until_us = to_us(*lease.freed->latest);
    return life;
}

} // namespace

// Where leases are found.
struct FlowSearch::Source {
    enum class Kind { span, runs, not_sorted };
    Kind kind;
    Span span = Span::open; // so far their lives can reach
};

struct FlowSearch::Scan {
    PartReader &part;
    const Source &source;
    Holdings holdings;
    std::size_t &budget;
    const Found &found;
    std::int64_t beyond = Limits::min();
    std::vector<std::size_t> ends{};
};

const std::vector<FlowSearch::Source> &FlowSearch::sources() {
    static const std::vector<Source> all = [] {
        std::vector<Source> made;
        for (const Span span : closed_spans)
            made.push_back({Source::Kind::span, span});
        made.push_back({Source::Kind::span, Span::open});
        made.push_back({Source::Kind::runs});
        made.push_back({Source::Kind::not_sorted});
        return made;
    }();
    return all;
}

FlowSearch::FlowSearch(const std::vector<model::FlowEnd> &ends, const WallTimes &walls) {
    std::vector<std::pair<std::uint16_t, Wanted>> wanted;
    for (std::size_t end = 0; end < ends.size(); ++end) {
        const model::FlowEnd &one = ends[end];
        const bool is_tcp = one.protocol == Protocol::tcp;
        for (const Stretch &rows : walls.rows_of(one.since_us, one.until_us))
            wanted.push_back({one.port, {rows, end, is_tcp ? one.peer_port : std::nullopt}});
    }
    std::ranges::sort(wanted, [](const auto &a, const auto &b) {
        return std::pair(a.first, a.second.rows.since_us) <
               std::pair(b.first, b.second.rows.since_us);
    });
    for (auto &[port, one] : wanted) {
        if (ports_.empty() || ports_.back().port != port)
            ports_.push_back({port});
        ports_.back().wanted.push_back(one);
    }
    for (OfPort &of : ports_) {
        if (std::ranges::any_of(of.wanted, [](const Wanted &one) { return !one.tcp_peer_port; }))
            continue;
        for (const Wanted &one : of.wanted)
            of.tcp_peer_ports.push_back(*one.tcp_peer_port);
        std::ranges::sort(of.tcp_peer_ports);
    }
}

bool FlowSearch::OfPort::excludes(std::int64_t peer_port) const {
    return peer_port != 0 && !tcp_peer_ports.empty() &&
           !std::ranges::binary_search(tcp_peer_ports, peer_port);
}

const FlowSearch::OfPort *FlowSearch::wanted_of(std::uint16_t port) const {
    const auto found = std::ranges::lower_bound(ports_, port, {}, &OfPort::port);
    return found == ports_.end() || found->port != port ? nullptr : &*found;
}

// In order, and apart from each other.
std::vector<IdRange> FlowSearch::ranges(const OfPort &of, const Part &part,
                                        const Source &source) const {
    std::vector<IdRange> merged;
    for (const Wanted &one : of.wanted) {
        const IdRange range = filed_near(part, source.span, one.rows.since_us, one.rows.until_us);
        if (!may_have(part, source.span, range))
            continue;
        if (!merged.empty() && range.first <= merged.back().last)
            merged.back().last = std::max(merged.back().last, range.last);
        else
            merged.push_back(range);
    }
    return merged;
}

bool FlowSearch::scan(Scan &scan, const OfPort *of, const IdRange &range) {
    const Part &part = scan.part.part();
    Execution row(scan.part.statement(scan.source.kind == Source::Kind::span   ? by_port
                                      : scan.source.kind == Source::Kind::runs ? by_port_in_runs
                                                                               : not_sorted));
    if (scan.source.kind == Source::Kind::span)
        row.bind(span_port(scan.source.span, of->port));
    else if (scan.source.kind == Source::Kind::runs)
        row.bind(std::int64_t{of->port});
    row.bind(range.first).bind(range.last);
    while (row.next()) {
        if (scan.budget == 0)
            return false;
        --scan.budget;
        scan.beyond = row.integer(0);
        const auto state = unpack_state(row.integer(3));
        if (!state)
            scan.part.database().damaged("lease " + std::to_string(scan.beyond) +
                                         ": its state cannot be");
        if (state->span == Span::open && scan.holdings != Holdings::current)
            continue;
        const std::int64_t port = row.integer(1);
        const OfPort *wanted =
            of ? (of->port == port ? of : nullptr) : wanted_of(static_cast<std::uint16_t>(port));
        const std::int64_t peer_port = row.optional_integer(2).value_or(0);
        // Most leases of a busy port, of which nothing else is read then.
        if (!wanted || wanted->excludes(peer_port))
            continue;
        const Stretch life = life_of(row, part, *state, scan.part.database());
        scan.ends.clear();
        for (const Wanted &one : wanted->wanted) {
            if (one.rows.since_us > life.until_us)
                break;
            if (one.rows.until_us >= life.since_us &&
                (peer_port == 0 || !one.tcp_peer_port || *one.tcp_peer_port == peer_port))
                scan.ends.push_back(one.end);
        }
        if (!scan.ends.empty() && !scan.found(part.serial_of(scan.beyond), scan.ends))
            return false;
    }
    return true;
}

std::optional<model::FlowPlace> FlowSearch::look_through(PartReader &part, Holdings holdings,
                                                         std::optional<model::FlowPlace> from,
                                                         std::size_t &budget, const Found &found) {
    model::FlowPlace place{part.file().number, part.file().is_sealed};
    if (from)
        place = *from;
    for (; place.source < sources().size(); ++place.source, place.port = 0) {
        const Source &source = sources()[place.source];
        const bool is_of_sealed = source.kind == Source::Kind::span && source.span != Span::open;
        if (holdings == Holdings::sealed && !is_of_sealed)
            continue;
        Scan scan{part, source, holdings, budget, found};
        const auto scan_range = [&](const OfPort *of, IdRange range) {
            if (from && range.last <= from->beyond)
                return true;
            if (from)
                range.first = std::max(range.first, from->beyond + 1);
            scan.beyond = from ? from->beyond : Limits::min();
            return this->scan(scan, of, range);
        };
        const auto stopped = [&] {
            place.beyond = scan.beyond;
            return place;
        };
        if (source.kind == Source::Kind::not_sorted) {
            const auto sorted = part.part().sorted_lease;
            if (!scan_range(nullptr, {sorted ? *sorted + 1 : Limits::min(), Limits::max()}))
                return stopped();
            continue;
        }
        for (; place.port < ports_.size(); ++place.port, from.reset())
            for (const IdRange &range : ranges(ports_[place.port], part.part(), source))
                if (!scan_range(&ports_[place.port], range))
                    return stopped();
    }
    return std::nullopt;
}

} // namespace portd::store
