// The state of the daemon in Prometheus' text exposition format, version 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats). Pure.
#pragma once

#include "proto/messages.hpp"

#include <string>

namespace portd::client {

// Whole lines, the last with its end. What the daemon does not say has no sample.
std::string metrics_of(const proto::Status &status);

} // namespace portd::client
