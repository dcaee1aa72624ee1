// Opens and closes ports in every way there is, and writes down what it did.
//
//   ground_truth SCENARIO --truth FILE [--count N] [--parents N] [--unrecorded-listener]
//
// FILE gets one JSON object a line: leases; failed binds, processes of the run and scenarios that
// could not be played, with their "event". Copies of programs are made in the folder FILE.programs.
// Exit status: 0 played, 2 usage, 3 something did not go as the scenario says.
#include "processes.hpp"
#include "scenarios.hpp"
#include "truth_log.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace ground_truth;

struct Scenario {
    std::string_view name;
    void (*play)(const Options &);
};

constexpr std::array scenarios{
    Scenario{"churn", play_churn},
    Scenario{"programs", play_programs},
    Scenario{"udp", play_udp},
    Scenario{"udp-churn", play_udp_churn},
    Scenario{"resolver", play_resolver},
    Scenario{"udp-reconnect", play_udp_reconnect},
    Scenario{"udp-disconnect", play_udp_disconnect},
    Scenario{"outcomes", play_outcomes},
    Scenario{"silence", play_silence},
    Scenario{"families", play_families},
    Scenario{"sharing", play_sharing},
    Scenario{"io-uring", play_io_uring},
    Scenario{"holders", play_holders},
    Scenario{"activation", play_activation},
    Scenario{"images", play_images},
    Scenario{"pid-reuse", play_pid_reuse},
    Scenario{"namespaces", play_namespaces},
    Scenario{"mptcp", play_mptcp},
    Scenario{"binds", play_binds},
};

[[noreturn]] void usage() {
    std::fputs("usage: ground_truth SCENARIO --truth FILE [--count N] [--parents N] "
               "[--unrecorded-listener]\nscenarios:",
               stderr);
    for (const auto &scenario : scenarios)
        std::fprintf(stderr, " %s", scenario.name.data());
    std::fputs("\n", stderr);
    std::exit(2);
}

const Scenario &find(std::string_view name) {
    for (const auto &scenario : scenarios)
        if (scenario.name == name)
            return scenario;
    usage();
}

struct Arguments {
    Options options;
    std::string truth;
};

Arguments parse(int argc, char **argv) {
    Arguments arguments;
    for (int i = 2; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--unrecorded-listener") {
            arguments.options.recorded_listener = false;
            continue;
        }
        if (++i == argc)
            usage();
        if (name == "--truth")
            arguments.truth = argv[i];
        else if (name == "--count")
            arguments.options.count = std::strtoul(argv[i], nullptr, 10);
        else if (name == "--parents")
            arguments.options.parents = std::strtoul(argv[i], nullptr, 10);
        else
            usage();
    }
    if (arguments.truth.empty() || arguments.options.parents == 0)
        usage();
    return arguments;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2)
        usage();
    if (play_image(argc, argv))
        return 0;
    const auto &scenario = find(argv[1]);
    const auto arguments = parse(argc, argv);
    set_copies_folder(arguments.truth + ".programs");
    start_log(arguments.options.count * 2 + 512);
    adopt_orphans();
    scenario.play(arguments.options);
    write_log(arguments.truth.c_str());
}
