// What the tests of portd-ctl share, which go from its arguments to its output and exit status,
// against a service on a real socket.
#pragma once

#include "client/command_line.hpp"

#include "unit/client/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include <signal.h>

namespace portd::client::test {

class CommandLine : public ::testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC0", 1);
        ::setenv("LC_ALL", "C.UTF-8", 1);
        ::setenv("TERM", "xterm", 1);
        for (const char *name :
             {"PORTD_SOCKET", "NO_COLOR", "COLUMNS", "LINES", "PAGER", "PORTD_PAGER"})
            ::unsetenv(name);
        ::signal(SIGPIPE, SIG_IGN);
    }
};

inline Records one_connection() {
    Records records;
    records.leases = {connection_lease()};
    records.coverage = watched(t0 - 3600 * second, t0 + 3600 * second);
    records.explanation.recorded = true;
    return records;
}

inline Records nothing() {
    Records records = one_connection();
    records.leases.clear();
    return records;
}

// The first call of the method.
inline proto::Call asked(const FakeDaemon &daemon, std::string_view method) {
    for (const proto::Call &call : daemon.calls())
        if (call.method == method)
            return call;
    ADD_FAILURE() << method << " was not called";
    return {};
}

inline std::size_t count_lines(const std::string &text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

} // namespace portd::client::test
