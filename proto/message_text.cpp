#include "proto/message_text.hpp"

namespace portd::proto {

std::string format_last(std::string_view parameters) {
    return "{\"parameters\":" + std::string(parameters) + "}";
}

} // namespace portd::proto
