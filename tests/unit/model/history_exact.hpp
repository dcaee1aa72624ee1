// Histories of sockets as exact events tell them: every port that is taken, every release, every
// end of a connection, with the process that did it. Made from a plan as in history.hpp, and
// distorted in the same ways.
#pragma once

#include "unit/model/history.hpp"

namespace portd::model::history {

struct ExactSocketPlan {
    enum class Kind : std::uint8_t {
        client,
        retrying_client, // is refused, and connects again from another port
        accepted,        // and its listener
        datagram,
        moving_datagram, // takes another port
    };
    // How a connection ends.
    enum class End : std::uint8_t {
        active,   // by its own program, first: TIME_WAIT
        passive,  // after the peer
        shutdown, // by its own program, which keeps the socket: TIME_WAIT
        reset,    // by the peer, while the program has the socket
    };

    Kind kind = Kind::client;
    End end = End::active;
    Family family = Family::ipv4;
    int opened_ms = 0;
    int held_ms = 1;
    int step_ms = 1;              // between the phases
    int accept_ms = 1;            // until somebody accepts it
    int after_ms = 1;             // between the two ends: of the connection and of its holder
    int lingers_ms = 60'000;      // in TIME_WAIT
    bool peer_has_closed = true;  // by then
    bool is_bound = false;        // the program chose the port
    int forks_after_ms = 0;       // a child has the socket to its end
    int parent_ends_after_ms = 0; // after the fork
    int reused_after_ms = 0;      // TIME_WAIT: another socket connects with the same ends
    int delay_ms = 0;             // of every second event
    int lost = 0;                 // one in so many events, 0: none
};

struct ExactPlan {
    std::vector<ExactSocketPlan> sockets;
    std::vector<RepeatPlan> repeats;
    Scope scope = Scope::nothing; // of the scans; nothing: there are none
    int scans_every_ms = 1000;
};

void showValue(const ExactPlan &plan, std::ostream &out);

rc::Gen<ExactPlan> exact_plans(const Distortion &distortion);

// What a lease should tell, to the microsecond.
struct ExactOccupancy {
    SocketKey socket;
    Table table;
    Endpoint local;
    Endpoint peer;
    Role role = Role::client;
    Instant opened{};
    Instant closed{};
    Instant freed{};
    std::optional<Instant> left; // into TIME_WAIT, or for another port: `freed` is not observed
    ProcessRef opener;           // null: nobody
    ProcessRef last_holder;      // null: not observed
    std::optional<Outcome> outcome;
    std::vector<Possession> possessions;
    bool is_observed = false; // an event with its port was told
};

struct ExactHistory {
    std::vector<ExactOccupancy> occupancies;
    std::vector<Observation> observations; // in the order in which they come
};

ExactHistory make_history(const ExactPlan &plan);

} // namespace portd::model::history
