// An answer of many replies, made as the client takes them.
#pragma once

#include "model/history.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace portd::server {

class Stream {
  public:
    virtual ~Stream() = default;

    // The next replies, framed. Can be empty before the end: then it is asked again after a pause,
    // in which other sessions have their turn. Whatever fails is an error reply, and the end.
    virtual std::string next(model::History &history, std::int64_t now_us) = 0;
    // Whether the last reply was made.
    virtual bool finished() const = 0;
    // Zero for one that works whenever it is asked.
    virtual std::chrono::milliseconds pause() const { return std::chrono::milliseconds::zero(); }
    // Whether it goes on with what happens, for as long as the client listens. If then all was
    // given, next() gives nothing and it waits for news.
    virtual bool follows() const { return false; }
    virtual bool is_waiting() const { return false; }
};

} // namespace portd::server
