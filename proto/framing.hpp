// Varlink framing: one JSON object per NUL-terminated message (varlink.org, "Service").
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace portd::proto {

// Limits on messages from outside, enforced before any JSON is parsed.
struct MessageLimits {
    std::size_t bytes = 64 * 1024; // of one message, without its NUL
    std::size_t depth = 16;        // of nested objects and arrays
};

enum class MessageFault {
    none,
    too_long, // more than MessageLimits::bytes without a NUL
    too_deep, // more than MessageLimits::depth levels of nesting
};

// Cuts a byte stream into messages. After a fault the stream is unusable and yields nothing more.
class MessageReader {
  public:
    explicit MessageReader(MessageLimits limits = {});

    void append(std::string_view bytes);
    // The next whole message, without its NUL.
    std::optional<std::string> next();
    MessageFault fault() const { return fault_; }
    // Whether part of a message has arrived and its end has not.
    bool has_partial() const;

  private:
    MessageLimits limits_;
    MessageFault fault_ = MessageFault::none;
    std::string buffer_;
    std::size_t begin_ = 0;   // of the first message not handed out
    std::size_t scanned_ = 0; // no NUL before this position
};

// Deepest nesting of objects and arrays in JSON text, brackets inside strings not counted. Needs no
// valid JSON.
std::size_t nesting_depth(std::string_view json);

} // namespace portd::proto
