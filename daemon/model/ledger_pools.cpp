#include "model/ledger_state.hpp"

#include <bitset>
#include <map>
#include <utility>

namespace portd::model {
namespace {

constexpr std::size_t all_ports = 1 << 16;

} // namespace

// A port that several leases share counts once.
std::vector<proto::PoolUse> Ledger::State::pools() const {
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
        if (is_own(name.first)) {
            pool.automatic_ports = pool.open_automatic_ports = 0;
            for (std::size_t port = 1; port < all_ports; ++port) {
                const bool is_in_pool = ports.can_be_automatic(static_cast<std::uint16_t>(port));
                *pool.automatic_ports += is_in_pool ? 1 : 0;
                *pool.open_automatic_ports += is_in_pool && open_ports[port] ? 1 : 0;
            }
        }
        pools.push_back(pool);
    }
    return pools;
}

} // namespace portd::model
