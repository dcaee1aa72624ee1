// Private to the store: which leases kept a program from binding a port, and so why the kernel
// refused it. Kernel: __inet_bind() in net/ipv4/af_inet.c asks for the privilege first (EACCES),
// and then for the port (EADDRINUSE).
#pragma once

#include "model/lease.hpp"
#include "store/bind_failure_rows.hpp"
#include "store/database.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::store {

struct Obstacles {
    std::vector<std::int64_t> leases; // serials, at most `InTheWay::most`
    std::optional<std::string> error; // where it follows
};

class InTheWay {
  public:
    static constexpr std::size_t most = 16;
    // Of the listeners of the port and of its other leases, so many that were opened last before
    // the attempt are looked at.
    static constexpr std::size_t max_examined = 512;
    // That no lease was in the way is said only of ports with no more leases than this.
    static constexpr std::size_t max_searched = 4096;

    explicit InTheWay(Database &database);

    // Leases that surely had the port at that instant. Those come first that most likely were the
    // reason: listeners, addresses of the same family, sockets that a process had.
    Obstacles find(const StoredBindFailure &stored);

  private:
    // A lease of the port, in the time of its boot.
    struct Candidate {
        model::SocketKey socket;
        std::int64_t serial = 0;
        model::Address address;
        bool is_listener = false;
        model::When opened;
        std::optional<model::When> closed;
        std::optional<model::When> freed;
    };
    enum class Had { surely, perhaps, not_at_all };

    template <typename Visit>
    std::size_t examine(Execution &execution, const StoredBindFailure &stored, Visit visit);
    static Had had_port(const Candidate &lease, model::Instant at);
    static void put_likeliest_first(std::vector<Candidate> &found,
                                    const model::BindFailure &failure);
    bool nobody_had_port(const StoredBindFailure &stored);

    Database &database_;
    Statement listeners_;
    Statement newest_;
    Statement all_;
};

} // namespace portd::store
