// Private to the store: what many leases have in common, and is stored once for them.
#pragma once

#include "model/lease.hpp"
#include "store/database.hpp"
#include "store/interning.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace portd::store {

// Makes the rows, inside the caller's transaction. Remembers them up to a bound, at which it
// forgets all of them and makes new ones: equal flows do no harm.
class Flows {
  public:
    // Both live longer.
    Flows(Database &database, Interning &interning);

    std::int64_t flow(const model::Lease &lease, std::int64_t boot);

    // After a rollback, or when the rows are gone otherwise.
    void forget();

  private:
    struct Flow {
        std::int64_t boot = 0;
        std::uint32_t network_namespace = 0;
        Protocol protocol = Protocol::tcp;
        model::SocketKey::Kind key_kind = model::SocketKey::Kind::cookie;
        std::int64_t local_address = 0;
        std::optional<Role> role;
        std::optional<PortChoice> port_choice;
        std::optional<PortChosenBy> port_chosen_by;
        std::optional<std::uint32_t> uid;
        std::optional<std::int64_t> first_holder;
        std::vector<std::int64_t> other_holders;
        model::Attribution opener;
        model::Attribution last_holder;
        std::uint32_t holders_omitted = 0;

        bool operator==(const Flow &) const = default;
    };
    struct Hash {
        std::size_t operator()(const Flow &flow) const noexcept;
    };

    Flow describe(const model::Lease &lease, std::int64_t boot);
    std::int64_t insert(const Flow &flow);

    Database &database_;
    Interning &interning_;
    Statement insert_;
    Statement insert_holder_;
    // Two generations: when the younger is full it becomes the older, which is forgotten.
    using Known = std::unordered_map<Flow, std::int64_t, Hash>;
    void remember(Flow flow, std::int64_t id);
    Known younger_;
    Known older_;
};

} // namespace portd::store
