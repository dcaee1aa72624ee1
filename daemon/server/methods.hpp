// What each method answers. No sockets here: a call goes in, a reply or a stream of replies comes
// out.
#pragma once

#include "access.hpp"
#include "model/history.hpp"
#include "proto/varlink.hpp"
#include "stream.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>

namespace portd::server {

// Where the answers come from.
struct Backend {
    model::History &history;
    const model::Daemon &daemon;
};

using Answer = std::variant<proto::Reply, std::unique_ptr<Stream>>;

// Whatever is wrong with the call is an error reply; so is a history that throws.
Answer answer(const proto::Call &call, const Caller &caller, const Backend &backend,
              std::int64_t now_us);

// How many leases and processes a reply to Who and Explain takes before it is truncated.
inline constexpr std::size_t most_holding_leases = 256;
inline constexpr std::size_t most_holding_processes = 1024;

} // namespace portd::server
