// Replies as they go out.
#pragma once

#include "proto/varlink.hpp"

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace portd::server {

// The parameters must be an object.
proto::Reply success(nlohmann::json parameters);
proto::Reply failure(std::string_view error, nlohmann::json parameters);

// An error with one parameter, which is a text.
proto::Reply failure(std::string_view error, const char *parameter, const std::string &text);
proto::Reply limit_exceeded(std::string_view limit, std::size_t value);

// The message with its NUL.
std::string framed(const proto::Reply &reply);
// The same of a success that is not the last reply of its answer.
std::string framed_continued(nlohmann::json parameters);
// The same of parameters that are JSON already.
std::string framed_entry(std::string_view parameters);

} // namespace portd::server
