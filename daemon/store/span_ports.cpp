#include "store/span_ports.hpp"

#include "store/late_index.hpp"

#include <algorithm>

namespace portd::store {
namespace {

constexpr std::int64_t most_leases = 65'536;
// Of which only the index is read.
constexpr std::size_t leases_a_row = 8;
constexpr std::size_t most_known = 128; // of 8 KiB

constexpr const char *ports_of_span =
    "SELECT span_port & 65535 FROM lease_of_port WHERE span_port BETWEEN ?1 AND ?2 LIMIT ?3";

} // namespace

const SpanPorts::Ports *SpanPorts::of(PartReader &part, Span span, std::size_t &budget) {
    const Key key{part.state(), span};
    if (const auto known = known_.find(key); known != known_.end())
        return known->second.get();
    if (budget * leases_a_row < most_leases)
        return nullptr;
    if (known_.size() >= most_known)
        known_.clear();
    auto ports = std::make_unique<Ports>();
    std::int64_t leases = 0;
    {
        Execution row(part.statement(ports_of_span));
        row.bind(span_port(span, 0)).bind(span_port(span, 65535)).bind(most_leases + 1);
        for (; row.next(); ++leases)
            ports->set(static_cast<std::size_t>(row.integer(0)));
    }
    budget -= std::min(budget, static_cast<std::size_t>(leases) / leases_a_row);
    if (leases > most_leases)
        ports.reset();
    return known_.emplace(key, std::move(ports)).first->second.get();
}

} // namespace portd::store
