// Messages around parameters that are the text of a JSON object already; see varlink.hpp for those
// of a tree.
#pragma once

#include <string>
#include <string_view>

namespace portd::proto {

// The last reply of an answer that succeeded, without its NUL.
std::string format_last(std::string_view parameters);

} // namespace portd::proto
