// Histories of sockets that are known to the last detail, and what a capture source would have
// observed of them: scans with rows read one after the other, destroy events, sightings of holders,
// and the ways in which such news get distorted.
//
// A Plan is what is generated and shrunk: small numbers, each of which may shrink to "nothing
// special". A History is made from it without further chance.
#pragma once

#include "model/ledger.hpp"

#include <iosfwd>
#include <rapidcheck.h>
#include <vector>

namespace portd::model::history {

struct SocketPlan {
    enum class Kind : std::uint8_t {
        client,
        refused, // a client whose handshake fails
        service, // a listener, and a connection that it accepts
        datagram,
    };

    Kind kind = Kind::client;
    std::uint32_t network_namespace = 0; // or 1
    Family family = Family::ipv4;
    int opened_ms = 0;
    int held_ms = 1;
    int orphaned_ms = 0;       // connections: how long the kernel goes on alone after the close
    int lingers_ms = 0;        // connections: in TIME_WAIT
    bool keeps_cookie = false; // if a scan asked for it, TIME_WAIT has the cookie of the socket
    int accepted_held_ms = 1;  // services: the accepted connection
    int idle_ms = 0;           // connections: no segment before the destruction
    int moves_after_ms = 0;    // datagrams: takes another port
    int forks_after_ms = 0;    // the opener forks, and the child has the socket to its end
    int execs_after_ms = 0;    // the opener executes another program
    int delay_ms = 0;          // of the destroy event and of the sightings
    int uncertain_ms = 0;      // bounds of the destroy event on either side
    bool is_lost = false;      // the destroy event
};

struct ScanPlan {
    int pause_ms = 1000;
    int takes_ms = 4; // for each table
    int lag_ms = 0;   // of the rows' stamps
    bool is_complete = true;
};

// One observation comes once more.
struct RepeatPlan {
    int which = 0;
    int delay_ms = 0;
};

struct Plan {
    std::vector<SocketPlan> sockets;
    std::vector<ScanPlan> scans;
    std::vector<RepeatPlan> repeats;
};

void showValue(const Plan &plan, std::ostream &out);

// What may happen to the news.
struct Distortion {
    bool may_delay = false;
    bool may_lose = false;
    bool may_fail = false;
    bool may_repeat = false;
};

rc::Gen<Plan> plans(const Distortion &distortion);

// A process image that has a socket from `from` up to, and not at, `until`.
struct Possession {
    ProcessRef image;
    Instant from{};
    Instant until{};
};

// What a lease should tell: one socket's occupancy of one port.
struct Occupancy {
    SocketKey socket;
    SocketKey time_wait; // of a connection
    Table table;
    Endpoint local;
    Endpoint peer;
    Role role = Role::client;
    bool handshake = false;
    Instant opened{};
    Instant closed{};                    // no process has it
    Instant destroyed{};                 // the socket has left the port
    Instant freed{};                     // and its TIME_WAIT entry too
    std::vector<Possession> possessions; // of the socket, on whatever port
    bool is_last_of_socket = true;       // its end is the destruction
    bool is_observed = false;            // in a row or by its event
};

struct History {
    std::vector<Occupancy> occupancies;
    std::vector<Observation> observations; // in the order in which they come
};

History make_history(const Plan &plan);

void print(const Observation &observation, std::ostream &out);

} // namespace portd::model::history
