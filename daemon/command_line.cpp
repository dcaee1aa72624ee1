#include "command_line.hpp"

#include <CLI/CLI.hpp>
#include <map>

namespace portd {
namespace {

constexpr const char *description =
    "Keeps a durable history of which processes held which dynamic ports.\n"
    "Runs in the foreground and logs to standard error; ask it with portd-ctl.";

constexpr const char *examples = R"(Examples:
  portd
      with the settings of /etc/portd/portd.toml and /etc/portd/portd.toml.d/*.toml
  portd --state-dir /tmp/portd --socket /tmp/portd/socket --interval 500ms
      beside another one, on a state directory and socket of its own
  portd --ports all
      records every port, not only the dynamic ones

Exit status: 0 stopped as asked, 1 failed while running, 2 bad command line or settings,
77 refused: no permission, another portd on the same state directory or socket, or a store
of a newer version.)";

} // namespace

std::variant<Settings, PrintAndExit> parse_command_line(int argc, const char *const *argv) {
    CLI::App parser(description, "portd");
    parser.footer(examples);
    parser.set_version_flag("-V,--version", "portd " PORTD_VERSION);

    std::string config;
    parser
        .add_option("--config", config,
                    "Settings file, instead of /etc/portd/portd.toml (drop-ins in FILE.d)")
        ->type_name("FILE");
    // Option, key of the settings file, type, text.
    struct Option {
        const char *flag, *key, *type, *text;
    };
    static constexpr Option options[] = {
        {"--state-dir", "state_dir", "DIR", "Where history is kept (default /var/lib/portd)"},
        {"--socket", "socket", "PATH",
         "Unix socket to answer on (default /run/portd/io.portd.Ports)"},
        {"--interval", "interval", "TIME", "Between two samples, 10ms to 1h (default 1s)"},
        {"--capture", "capture", "TIER",
         "auto, ebpf, sock_diag or procfs (default auto: the best that works)"},
        {"--ports", "ports", "PORTS",
         "dynamic, all, or a list such as 53,8000-8099 (default dynamic)"},
        {"--arguments", "arguments", "HOW",
         "What to keep of the arguments of processes: off, redacted or full (default redacted)"},
        {"--ring-size", "ring_size", "BYTES",
         "Room for events that are not yet stored (ebpf): a power of two, 4K to 1G (default 16M)"},
    };
    std::map<std::string, std::string> given;
    for (const auto &option : options)
        parser.add_option(option.flag, given[option.key], option.text)->type_name(option.type);

    try {
        parser.parse(argc, argv);
    } catch (const CLI::CallForHelp &) {
        return PrintAndExit{parser.help()};
    } catch (const CLI::CallForVersion &) {
        return PrintAndExit{"portd " PORTD_VERSION "\n"};
    } catch (const CLI::ParseError &error) {
        throw SettingsError(std::string(error.what()) + "; see portd --help");
    }

    Settings settings;
    if (config.empty())
        apply_settings_files("/etc/portd/portd.toml", Existence::optional, settings);
    else
        apply_settings_files(config, Existence::required, settings);
    for (const auto &option : options)
        if (parser.count(option.flag) > 0)
            apply_setting(option.key, given[option.key], option.flag, settings);
    return settings;
}

} // namespace portd
