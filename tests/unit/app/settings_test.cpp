#include "command_line.hpp"
#include "settings.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace portd {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

class SettingsFile : public testing::Test {
  protected:
    void SetUp() override {
        std::string name =
            (std::filesystem::temp_directory_path() / "portd-settings.XXXXXX").string();
        folder_ = mkdtemp(name.data());
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path write(const std::string &name, const std::string &text) {
        const auto path = folder_ / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
        return path;
    }

    std::string error_of(const std::string &text) {
        const auto file = write("bad.toml", text);
        try {
            Settings settings;
            apply_settings_file(file, settings);
        } catch (const SettingsError &error) {
            return error.what();
        }
        return "no error";
    }

    std::filesystem::path folder_;
};

TEST_F(SettingsFile, SetsEveryKey) {
    const auto file = write("portd.toml", "state_dir = '/var/tmp/a'\n"
                                          "socket = '/run/b'\n"
                                          "interval = '250ms'\n"
                                          "capture = 'procfs'\n"
                                          "ports = '53,8000-8099'\n"
                                          "arguments = 'off'\n");
    Settings settings;
    apply_settings_file(file, settings);
    EXPECT_EQ(settings.state_dir, "/var/tmp/a");
    EXPECT_EQ(settings.socket, "/run/b");
    EXPECT_EQ(settings.interval, 250ms);
    EXPECT_EQ(settings.capture, CaptureTier::procfs);
    EXPECT_EQ(settings.ports.to_string(), "53,8000-8099");
    EXPECT_EQ(settings.arguments, capture::ArgumentPolicy::off);
}

TEST(Reloading, AppliesWhatCanChangeAndNamesTheRest) {
    Settings settings;
    Settings fresh;
    EXPECT_EQ(apply_while_running(fresh, settings), std::vector<std::string>{});
    fresh.interval = 250ms;
    fresh.max_bytes = 64 << 20;
    fresh.max_age = 2h;
    EXPECT_EQ(apply_while_running(fresh, settings), std::vector<std::string>{});
    EXPECT_EQ(settings.interval, 250ms);
    EXPECT_EQ(settings.max_bytes, 64 << 20);
    EXPECT_EQ(settings.max_age, 2h);

    fresh.state_dir = "/elsewhere";
    fresh.socket = "/run/other";
    fresh.capture = CaptureTier::procfs;
    fresh.ports = std::get<model::PortPolicy>(model::PortPolicy::parse("53"));
    fresh.arguments = capture::ArgumentPolicy::off;
    fresh.ring_bytes = 4096;
    EXPECT_EQ(apply_while_running(fresh, settings),
              (std::vector<std::string>{"state_dir", "socket", "capture", "ports", "arguments",
                                        "ring_size"}));
    EXPECT_EQ(settings.state_dir, Settings{}.state_dir);
    EXPECT_EQ(settings.ports, Settings{}.ports);
}

TEST_F(SettingsFile, TakesNumbersAsTheyWouldBeWritten) {
    const auto file = write("portd.toml", "interval = 2\nports = 8080\n");
    Settings settings;
    apply_settings_file(file, settings);
    EXPECT_EQ(settings.interval, 2s);
    EXPECT_EQ(settings.ports.to_string(), "8080");
}

TEST_F(SettingsFile, DropInsOverrideInTheOrderOfTheirNames) {
    const auto file = write("portd.toml", "interval = '1s'\nports = 'all'\n");
    write("portd.toml.d/20-b.toml", "interval = '3s'\n");
    write("portd.toml.d/10-a.toml", "interval = '2s'\n");
    write("portd.toml.d/30-no.conf", "interval = '4s'\n");
    Settings settings;
    apply_settings_files(file, Existence::required, settings);
    EXPECT_EQ(settings.interval, 3s);
    EXPECT_EQ(settings.ports.to_string(), "all");
}

TEST_F(SettingsFile, DropInsCountWithoutTheFile) {
    write("portd.toml.d/a.toml", "ports = 'all'\n");
    Settings settings;
    apply_settings_files(folder_ / "portd.toml", Existence::optional, settings);
    EXPECT_EQ(settings.ports.to_string(), "all");
}

TEST_F(SettingsFile, ErrorsNameFileLineAndWhatWasExpected) {
    EXPECT_THAT(error_of("ports = 'all'\n\nintervall = '1s'\n"),
                AllOf(HasSubstr("bad.toml:3"), HasSubstr("unknown key 'intervall'"),
                      HasSubstr("interval")));
    EXPECT_THAT(error_of("\ninterval = 'soon'\n"),
                AllOf(HasSubstr("bad.toml:2"), HasSubstr("'soon'"), HasSubstr("500ms")));
    EXPECT_THAT(error_of("interval = '5ms'\n"), HasSubstr("between 10ms and 1h"));
    EXPECT_THAT(error_of("capture = 'magic'\n"), HasSubstr("'sock_diag'"));
    EXPECT_THAT(error_of("ports = '70000'\n"), HasSubstr("65535"));
    EXPECT_THAT(error_of("ports = true\n"), HasSubstr("expected a string"));
    EXPECT_THAT(error_of("[network]\nports = 1\n"), HasSubstr("unknown key 'network'"));
    EXPECT_THAT(error_of("socket = '" + std::string(200, 'x') + "'\n"), HasSubstr("107 bytes"));
    EXPECT_THAT(error_of("ports = \n"), HasSubstr("bad.toml:1"));
}

TEST_F(SettingsFile, TheStoreHasATable) {
    const auto file = write("portd.toml", "ports = 'all'\n"
                                          "[store]\n"
                                          "max_size = '20G'\n"
                                          "max_age = '1y'\n");
    Settings settings;
    apply_settings_file(file, settings);
    EXPECT_EQ(settings.max_bytes, std::int64_t{20} << 30);
    EXPECT_EQ(settings.max_age, std::chrono::hours(365 * 24));
    EXPECT_THAT(error_of("[store]\nmax_age = '1min'\n"),
                AllOf(HasSubstr("bad.toml:2"), HasSubstr("store.max_age")));
    EXPECT_THAT(error_of("[store]\nports = 1\n"), HasSubstr("unknown key 'store.ports'"));
}

TEST_F(SettingsFile, MissingFileIsAnErrorOnlyIfItWasNamed) {
    Settings settings;
    EXPECT_NO_THROW(apply_settings_files(folder_ / "no", Existence::optional, settings));
    EXPECT_THROW(apply_settings_files(folder_ / "no", Existence::required, settings),
                 SettingsError);
}

// A link to itself cannot be followed, whoever runs the test.
TEST_F(SettingsFile, WhatCannotBeReadIsAnError) {
    const auto error_of_files = [&] {
        try {
            Settings settings;
            apply_settings_files(folder_ / "portd.toml", Existence::optional, settings);
        } catch (const SettingsError &error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    EXPECT_EQ(error_of_files(), "no error");
    const auto refuses = [&](const char *name) {
        std::filesystem::create_symlink(folder_ / name, folder_ / name);
        EXPECT_THAT(error_of_files(), AllOf(HasSubstr(name), HasSubstr("symbolic links")));
        std::filesystem::remove(folder_ / name);
    };
    refuses("portd.toml");
    refuses("portd.toml.d");
    std::filesystem::create_directory(folder_ / "portd.toml.d");
    refuses("portd.toml.d/a.toml");
    std::filesystem::create_directory(folder_ / "portd.toml.d/b.toml");
    EXPECT_THAT(error_of_files(), AllOf(HasSubstr("b.toml"), HasSubstr("directory")));
}

TEST_F(SettingsFile, OptionsOverrideTheFile) {
    const auto file = write("portd.toml", "interval = '1s'\nports = 'all'\n");
    const char *argv[] = {"portd", "--config", file.c_str(), "--interval", "5s"};
    const auto parsed = parse_command_line(5, argv);
    const auto &settings = std::get<Settings>(parsed);
    EXPECT_EQ(settings.interval, 5s);
    EXPECT_EQ(settings.ports.to_string(), "all");
}

TEST(CommandLine, ErrorsNameTheOption) {
    const auto error_of = [](std::vector<const char *> argv) -> std::string {
        try {
            parse_command_line(static_cast<int>(argv.size()), argv.data());
        } catch (const SettingsError &error) {
            return error.what();
        }
        return "no error";
    };
    EXPECT_THAT(error_of({"portd", "--config", "/dev/null", "--interval", "x"}),
                AllOf(HasSubstr("--interval"), HasSubstr("'x'")));
    EXPECT_THAT(error_of({"portd", "--nonsense"}), HasSubstr("--nonsense"));
    EXPECT_THAT(error_of({"portd", "extra"}), HasSubstr("extra"));
    EXPECT_THAT(error_of({"portd", "--config", "/does/not/exist"}),
                HasSubstr("/does/not/exist does not exist"));
}

TEST(CommandLine, HelpAndVersionPrint) {
    const char *help[] = {"portd", "--help"};
    EXPECT_THAT(std::get<PrintAndExit>(parse_command_line(2, help)).text, HasSubstr("--state-dir"));
    const char *version[] = {"portd", "--version"};
    EXPECT_THAT(std::get<PrintAndExit>(parse_command_line(2, version)).text, HasSubstr("portd "));
}

TEST(Interval, Units) {
    EXPECT_EQ(parse_interval("1"), 1s);
    EXPECT_EQ(parse_interval("1500us"), 1500us);
    EXPECT_EQ(parse_interval("20ms"), 20ms);
    EXPECT_EQ(parse_interval("3s"), 3s);
    EXPECT_EQ(parse_interval("2min"), 2min);
    EXPECT_EQ(parse_interval("1h"), 1h);
    for (const char *bad : {"", "s", "-1s", "1 s", "1x", "1.5s", "99999999999s"})
        EXPECT_EQ(parse_interval(bad), std::nullopt) << bad;
}

} // namespace
} // namespace portd
