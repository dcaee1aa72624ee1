// One connection of many: what is said on it, and to whom.
#pragma once

#include "sockets.hpp"

#include <sys/types.h>

namespace ground_truth {

constexpr std::size_t question_bytes(std::size_t i) {
    return 1 + i % 97;
}

constexpr std::size_t answer_bytes(std::size_t question) {
    return 1 + question * 7 % 31;
}

// Several addresses, so that neither the ports of the pool nor its TIME_WAITs run out.
inline Endpoint churn_destination(std::size_t i, std::uint16_t port) {
    constexpr const char *addresses[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5",
                                         "127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.9"};
    return ipv4(addresses[i % 8], port);
}

inline void ask(const Socket &connection, std::size_t i) {
    send_bytes(connection, question_bytes(i));
    receive_bytes(connection, answer_bytes(question_bytes(i)));
}

struct AnsweringServer {
    pid_t process = 0;
    std::uint16_t port = 0;
};

// A process that answers `count` connections one after the other, and is gone. Its listener may
// have a port that portd does not record by default.
AnsweringServer start_answering(const char *scenario, std::size_t count, bool recorded);

} // namespace ground_truth
