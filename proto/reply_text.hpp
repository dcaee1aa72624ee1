// Replies as they came, for people's terminals and for pipes that end there.
#pragma once

#include <string>
#include <string_view>

namespace portd::proto {

// The parameter of that name in the message of a reply, or all parameters where no name is given:
// as JSON without blanks, in the order in which it came, everything outside ASCII escaped by JSON's
// own means. Empty if it is not there.
std::string parameter_text(std::string_view message, std::string_view name = {});

} // namespace portd::proto
