// What a client can make the server spend.
#pragma once

#include "proto/call_limits.hpp"

#include <chrono>
#include <cstddef>

namespace portd::server {

struct Limits {
    proto::MessageLimits message = proto::call_limits;

    // Connections of ordinary users together cannot take those that are kept for root.
    std::size_t connections = 256;
    std::size_t connections_per_user = 32;
    std::size_t connections_of_root = 128;

    // How long a message may take to arrive whole, however its bytes trickle in.
    std::chrono::milliseconds partial_message = std::chrono::seconds(10);
    // How long a client may take none of an answer that is there for it.
    std::chrono::milliseconds unread_answer = std::chrono::seconds(30);

    // Pause after accept(2) failed, as it does while there are no free descriptors.
    std::chrono::milliseconds accept_pause{100};
};

} // namespace portd::server
