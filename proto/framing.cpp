#include "proto/framing.hpp"

#include <algorithm>

namespace portd::proto {
namespace {

// The quote that ends the string that the one at `begin` begins, or the last character.
std::size_t end_of_string(std::string_view json, std::size_t begin) {
    for (std::size_t end = begin;;) {
        end = json.find('"', end + 1);
        if (end == std::string_view::npos)
            return json.size() - 1;
        const std::size_t before = json.find_last_not_of('\\', end - 1); // not in front of `begin`
        if ((end - before) % 2 == 1)
            return end;
    }
}

} // namespace

MessageReader::MessageReader(MessageLimits limits) : limits_(limits) {}

void MessageReader::append(std::string_view bytes) {
    if (fault_ != MessageFault::none)
        return;
    // Consumed bytes go only when they are the larger half, so that each byte moves O(1) times.
    if (begin_ > buffer_.size() / 2) {
        buffer_.erase(0, begin_);
        scanned_ -= begin_;
        begin_ = 0;
    }
    buffer_.append(bytes);
}

std::optional<std::string> MessageReader::next() {
    if (fault_ != MessageFault::none)
        return std::nullopt;

    const std::size_t end = buffer_.find('\0', scanned_);
    const std::size_t length = std::min(end, buffer_.size()) - begin_;
    scanned_ = begin_ + length;
    if (length > limits_.bytes)
        fault_ = MessageFault::too_long;
    else if (end == std::string::npos)
        return std::nullopt;
    else if (nesting_depth({buffer_.data() + begin_, length}) > limits_.depth)
        fault_ = MessageFault::too_deep;

    if (fault_ != MessageFault::none) {
        buffer_ = {};
        begin_ = scanned_ = 0;
        return std::nullopt;
    }
    std::string message = buffer_.substr(begin_, length);
    begin_ = scanned_ = end + 1;
    return message;
}

bool MessageReader::has_partial() const {
    return begin_ < buffer_.size() && buffer_.back() != '\0';
}

std::size_t nesting_depth(std::string_view json) {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (c == '"')
            i = end_of_string(json, i);
        else if (c == '{' || c == '[')
            deepest = std::max(deepest, ++depth);
        else if ((c == '}' || c == ']') && depth > 0)
            --depth;
    }
    return deepest;
}

} // namespace portd::proto
