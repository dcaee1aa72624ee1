// Why a port cannot be bound, in words. Pure.
#pragma once

#include "client/fields.hpp"
#include "client/network_setting.hpp"
#include "client/text.hpp"
#include "proto/answers.hpp"

#include <optional>
#include <string>
#include <vector>

namespace portd::client {

// Whether anything that portd knows of can keep a bind from succeeding now.
bool is_in_the_way(const proto::Diagnosis &diagnosis);

// "A bind of tcp 0.0.0.0:8080 fails now."
std::string describe_verdict(const proto::WhyRequest &request, const proto::Diagnosis &diagnosis,
                             Charset charset);
// Who is in the way, what was before, and what helps. `in` is the network namespace that was asked
// about, absent: portd's own.
Fields describe_diagnosis(const proto::WhyRequest &request, const proto::Diagnosis &diagnosis,
                          const std::optional<OtherNamespace> &in, Charset charset);
// What helps, a sentence each; behind a newline the command that does it.
std::vector<std::string> advice_of(const proto::WhyRequest &request,
                                   const proto::Diagnosis &diagnosis,
                                   const std::optional<OtherNamespace> &in, Charset charset);

} // namespace portd::client
