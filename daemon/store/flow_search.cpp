#include "store/flow_search.hpp"

#include "store/flow_rows.hpp"
#include "store/late_index.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <tuple>

namespace portd::store {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

const std::string by_port = std::string(select_flow_row) +
                            "lease_of_port AS o CROSS JOIN lease AS l ON l.id = o.lease WHERE "
                            "o.span_port = ?1 AND o.lease BETWEEN ?2 AND ?3 ORDER BY o.lease";
// Those that wait for that index, sorted in runs.
const std::string by_port_in_runs =
    std::string(select_flow_row) +
    "waiting_run AS r CROSS JOIN waiting_of_port AS o ON o.run = r.last_lease CROSS "
    "JOIN lease AS l ON l.id = o.lease WHERE o.port = ?1 AND r.last_lease >= ?2 AND "
    "o.lease BETWEEN ?2 AND ?3 ORDER BY r.last_lease, o.lease";
// And those that are in no run yet, of all ports.
const std::string not_sorted =
    std::string(select_flow_row) + "lease AS l WHERE l.id BETWEEN ?1 AND ?2 ORDER BY l.id";
constexpr const char *first_and_last =
    "SELECT (SELECT min(id) FROM lease), (SELECT max(id) FROM lease)";
const std::string by_id = std::string(select_flow_row) + "lease AS l WHERE l.id = ?1";

// Searches for so many ports ask which of them there are, before they look for each.
constexpr std::size_t many_ports = 64;

bool overlap(const IdRange &a, const IdRange &b) {
    return a.first <= b.last && b.first <= a.last;
}

// What all leases of the part lie in; one that ends before it begins where there is none.
IdRange ids_of(PartReader &part) {
    Execution row(part.statement(first_and_last));
    row.next();
    return {row.optional_integer(0).value_or(Limits::max()),
            row.optional_integer(1).value_or(Limits::min())};
}

bool has_runs(const Part &part) {
    return part.sorted_lease && (!part.indexed_lease || *part.sorted_lease > *part.indexed_lease);
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
    std::vector<PeerPorts::Lease> leases{};
    std::vector<std::int64_t> ids{};

    PeerPorts::Place place(const OfPort &of) const {
        return {part.state(), span_port(source.span, of.port)};
    }
    // What is before the range was looked at.
    void begin(const IdRange &range) {
        if (range.first > Limits::min())
            beyond = std::max(beyond, range.first - 1);
    }
    bool take(const Execution &row);
    bool consider(const Execution &execution, std::span<const OfPort> wanted);
    void add_ends(const OfPort &of, std::uint16_t peer_port, const Stretch &life);
    bool tell() { return ends.empty() || found(part.part().serial_of(beyond), ends); }
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

FlowSearch::FlowSearch(const std::vector<model::FlowEnd> &ends, const WallTimes &walls,
                       FlowMemory &memory)
    : memory_(memory) {
    struct OfEnd {
        std::uint16_t port;
        Wanted wanted;
    };
    const auto place = [](const OfEnd &one) {
        return std::tuple(one.port, one.wanted.tcp_peer_port.has_value(), one.wanted.rows.since_us);
    };
    std::vector<OfEnd> all;
    for (std::size_t end = 0; end < ends.size(); ++end) {
        const model::FlowEnd &one = ends[end];
        const bool is_tcp = one.protocol == Protocol::tcp;
        for (const Stretch &rows : walls.rows_of(one.since_us, one.until_us))
            all.push_back({one.port, {rows, end, is_tcp ? one.peer_port : std::nullopt}});
    }
    std::ranges::sort(all, {}, place);
    for (const auto &[port, wanted] : all) {
        const bool names_peer_ports = wanted.tcp_peer_port.has_value();
        if (ports_.empty() || ports_.back().port != port ||
            ports_.back().names_peer_ports != names_peer_ports)
            ports_.push_back({port, names_peer_ports});
        ports_.back().wanted.push_back(wanted);
        if (names_peer_ports)
            ports_.back().tcp_peer_ports.push_back(*wanted.tcp_peer_port);
    }
    for (OfPort &of : ports_)
        std::ranges::sort(of.tcp_peer_ports);
}

bool FlowSearch::OfPort::excludes(std::int64_t peer_port) const {
    return names_peer_ports && peer_port != 0 &&
           !std::ranges::binary_search(tcp_peer_ports, peer_port);
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

// Whether there may be one more.
bool FlowSearch::Scan::take(const Execution &row) {
    if (budget == 0)
        return false;
    --budget;
    beyond = row.integer(0);
    return true;
}

bool FlowSearch::Scan::consider(const Execution &execution, std::span<const OfPort> wanted) {
    const FlowRow row(execution, part.part(), part.database());
    if (row.span() == Span::open && holdings != Holdings::current)
        return true;
    const std::uint16_t peer_port = row.peer_port();
    std::optional<Stretch> life;
    ends.clear();
    for (const OfPort &of : wanted) {
        // Most leases of a busy port, of which nothing else is read then.
        if (of.port != row.port() || of.excludes(peer_port))
            continue;
        if (!life)
            life = row.life();
        add_ends(of, peer_port, *life);
    }
    return tell();
}

void FlowSearch::Scan::add_ends(const OfPort &of, std::uint16_t peer_port, const Stretch &life) {
    for (const Wanted &one : of.wanted) {
        if (one.rows.since_us > life.until_us)
            break;
        if (one.rows.until_us >= life.since_us &&
            (peer_port == 0 || !one.tcp_peer_port || *one.tcp_peer_port == peer_port))
            ends.push_back(one.end);
    }
}

bool FlowSearch::scan(Scan &scan, const OfPort &of, const IdRange &range) {
    if (scan.source.kind != Source::Kind::span || !of.names_peer_ports)
        return read(scan, of, range);
    return std::ranges::all_of(
        memory_.peer_ports.pieces(scan.place(of), range), [&](const PeerPorts::Piece &piece) {
            return piece.is_known ? look_up(scan, of, piece.ids) : read(scan, of, piece.ids);
        });
}

bool FlowSearch::read(Scan &scan, const OfPort &of, const IdRange &range) {
    const bool is_span = scan.source.kind == Source::Kind::span;
    Execution row(scan.part.statement(is_span ? by_port : by_port_in_runs));
    row.bind(is_span ? span_port(scan.source.span, of.port) : std::int64_t{of.port});
    row.bind(range.first).bind(range.last);
    scan.begin(range);
    scan.leases.clear();
    bool goes_on = true;
    while (goes_on && row.next()) {
        goes_on = scan.take(row);
        if (!goes_on)
            break;
        const std::int64_t peer_port = row.optional_integer(2).value_or(0);
        scan.leases.push_back({scan.beyond, static_cast<std::uint16_t>(peer_port)});
        goes_on = scan.consider(row, {&of, 1});
    }
    if (is_span && of.names_peer_ports)
        memory_.peer_ports.add(scan.place(of), {range.first, goes_on ? range.last : scan.beyond},
                               scan.leases);
    return goes_on;
}

// Of a range that is known.
bool FlowSearch::look_up(Scan &scan, const OfPort &of, const IdRange &range) {
    const PeerPorts::Place place = scan.place(of);
    scan.begin(range);
    scan.ids.clear();
    memory_.peer_ports.find(place, range, 0, scan.ids);
    for (const Wanted &one : of.wanted) {
        IdRange near =
            filed_near(scan.part.part(), scan.source.span, one.rows.since_us, one.rows.until_us);
        near.first = std::max(near.first, range.first);
        near.last = std::min(near.last, range.last);
        if (near.first <= near.last)
            memory_.peer_ports.find(place, near, *one.tcp_peer_port, scan.ids);
    }
    std::ranges::sort(scan.ids);
    const auto repeated = std::ranges::unique(scan.ids);
    scan.ids.erase(repeated.begin(), repeated.end());
    Statement &select = scan.part.statement(by_id);
    for (const std::int64_t id : scan.ids) {
        Execution row(select);
        if (row.bind(id).next() && !(scan.take(row) && scan.consider(row, {&of, 1})))
            return false;
    }
    return true;
}

// Of those that wait to be indexed, which are known.
bool FlowSearch::look_up_waiting(Scan &scan, const OfPort &of) {
    for (const WaitingLeases::Lease &lease : memory_.waiting.of_port(of.port)) {
        if (lease.id <= scan.beyond || of.excludes(lease.peer_port) ||
            (lease.is_open && scan.holdings != Holdings::current))
            continue;
        scan.ends.clear();
        scan.add_ends(of, lease.peer_port, lease.life);
        if (scan.ends.empty())
            continue;
        if (scan.budget == 0)
            return false;
        --scan.budget;
        scan.beyond = lease.id;
        if (!scan.tell())
            return false;
    }
    return true;
}

bool FlowSearch::scan_unsorted(Scan &scan, const IdRange &range) {
    Execution row(scan.part.statement(not_sorted));
    row.bind(range.first).bind(range.last);
    scan.begin(range);
    while (row.next()) {
        if (!scan.take(row))
            return false;
        const auto of = std::ranges::equal_range(
            ports_, row.integer(1), {}, [](const OfPort &one) { return std::int64_t{one.port}; });
        if (!of.empty() && !scan.consider(row, {of.begin(), of.end()}))
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
    const IdRange ids = ids_of(part);
    for (; place.source < sources().size(); ++place.source, place.port = 0) {
        const Source &source = sources()[place.source];
        const bool is_of_sealed = source.kind == Source::Kind::span && source.span != Span::open;
        if (holdings == Holdings::sealed && !is_of_sealed)
            continue;
        if (source.kind == Source::Kind::runs && !has_runs(part.part()))
            continue;
        Scan scan{part, source, holdings, budget, found};
        const auto rest_of = [&](IdRange range) {
            if (from && from->beyond > Limits::min())
                range.first = std::max(range.first, from->beyond + 1);
            return range;
        };
        const auto stopped = [&] {
            place.beyond = scan.beyond;
            return place;
        };
        if (source.kind == Source::Kind::not_sorted) {
            const auto sorted = part.part().sorted_lease;
            if (!scan_unsorted(scan,
                               rest_of({sorted ? *sorted + 1 : Limits::min(), Limits::max()})))
                return stopped();
            continue;
        }
        const SpanPorts::Ports *present = nullptr;
        if (source.kind == Source::Kind::span && source.span > last_short_span &&
            ports_.size() >= many_ports)
            present = memory_.span_ports.of(part, source.span, budget);
        auto waiting = WaitingLeases::Known::never;
        if (source.kind == Source::Kind::runs && ports_.size() >= many_ports)
            waiting = memory_.waiting.read(part, budget);
        if (waiting == WaitingLeases::Known::not_yet) {
            place.beyond = from ? from->beyond : Limits::min();
            return place;
        }
        for (; place.port < ports_.size(); ++place.port, from.reset()) {
            if (present && !present->test(ports_[place.port].port))
                continue;
            scan.beyond = from ? from->beyond : Limits::min();
            if (waiting == WaitingLeases::Known::yes) {
                if (!look_up_waiting(scan, ports_[place.port]))
                    return stopped();
                continue;
            }
            for (const IdRange &range : ranges(ports_[place.port], part.part(), source)) {
                const IdRange rest = rest_of(range);
                if (rest.first <= rest.last && overlap(rest, ids) &&
                    !this->scan(scan, ports_[place.port], rest))
                    return stopped();
            }
        }
    }
    return std::nullopt;
}

} // namespace portd::store
