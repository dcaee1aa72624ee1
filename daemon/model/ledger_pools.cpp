#include "model/ledger_state.hpp"

#include <bitset>
#include <map>
#include <utility>

namespace portd::model {
namespace {

constexpr std::size_t all_ports = 1 << 16;

} // namespace

// A port that several leases share counts once.
std::vector<proto::PoolUse> Ledger::State::pools(const KnownPorts &known) const {
    std::map<std::pair<std::uint32_t, Protocol>, std::bitset<all_ports>> open;
    for (const auto &[name, table] : tables_)
        for (const auto &[_, record] : table.records)
            if (record.lease.is_open())
                open[{name.network_namespace, name.protocol}].set(record.lease.local.port);

    std::vector<proto::PoolUse> pools;
    for (const auto &[name, open_ports] : open) {
        proto::PoolUse pool;
        pool.network_namespace = name.first;
        pool.protocol = name.second;
        pool.open_ports = static_cast<std::int64_t>(open_ports.count());
        if (const auto found = known.find(name.first); found != known.end()) {
            const NamespacePorts &its = found->second;
            pool.range_low = its.local_range.low;
            pool.range_high = its.local_range.high;
            pool.automatic_ports = its.automatic_ports();
            pool.open_automatic_ports = 0;
            for (std::size_t port = its.local_range.low; port <= its.local_range.high; ++port)
                if (open_ports[port] && its.can_be_automatic(static_cast<std::uint16_t>(port)))
                    ++*pool.open_automatic_ports;
        }
        pools.push_back(pool);
    }
    return pools;
}

} // namespace portd::model
