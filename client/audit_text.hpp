// The groups of an audit as the rows of a table. Pure.
#pragma once

#include "client/table.hpp"
#include "client/text.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::client {

// "12.4/s", "3/min", "2/h", "0.1/d": so many in so long; "" where no time passed.
std::string format_rate(std::int64_t count, std::int64_t usec);

// "/usr/bin/curl", "ssh.service", "alice", "192.0.2.1"; nothing where it is not known or withheld
// which it was, or where there was no such thing.
std::optional<std::string> name_of(const proto::AuditGroup &group, AuditBy by, Charset charset);

// "/usr/bin/curl (17), unknown (3), withheld (2)": programs with their leases.
std::string describe_programs(const std::vector<proto::AuditGroup> &programs, Charset charset);

// "3 refused, 1 timedOut, 2 binds", of what was never made or not granted; "" if all was.
std::string describe_failures(const proto::AuditGroup &group);

struct AuditForm {
    AuditBy by = AuditBy::program;
    std::int64_t watched_usec = 0; // of the asked time
    Charset charset = Charset::ascii;
};
std::vector<Column> audit_columns(const AuditForm &form);
Row audit_row(const AuditForm &form, const proto::AuditGroup &group);
// The row of all else.
Row other_row(const AuditForm &form, const proto::AuditGroup &other);

} // namespace portd::client
