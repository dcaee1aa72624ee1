#include "client/map_classes.hpp"
#include "unit/client/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace portd::client::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

proto::Lease held_by(const char *program, std::int64_t port, std::int64_t since = t0) {
    proto::Lease lease = connection_lease();
    lease.local_port = port;
    lease.phase = portd::Phase::connected;
    lease.opened = observed(since);
    lease.closed.reset();
    lease.freed.reset();
    lease.last_holder = process(1, program);
    lease.last_holder.executable = std::string("/usr/bin/") + program;
    return lease;
}

// Ports 50000 to 50063: nginx has four, curl two, one lingers.
MapClasses some_ports(MapBy by) {
    MapClasses classes(by, 50000, 50063, t0 + 90 * second);
    for (const int port : {50000, 50001, 50016, 50017})
        classes.add(held_by("nginx", port), Charset::utf8);
    classes.add(held_by("curl", 50002, t0 + 89 * second), Charset::utf8);
    classes.add(held_by("curl", 50063, t0 + 89 * second), Charset::utf8);
    proto::Lease lingering = held_by("curl", 50040);
    lingering.phase = portd::Phase::lingering;
    classes.add(lingering, Charset::utf8);
    classes.add(held_by("curl", 49999), Charset::utf8);
    classes.add(held_by("curl", 50064), Charset::utf8);
    return classes;
}

TEST(PortMap, WithoutColorIsOfCharacters) {
    const PortMap map = some_ports(MapBy::program).map();
    const MapSize size = size_of(map, 23, Palette::none);
    EXPECT_EQ(size.columns, 16U);
    EXPECT_EQ(size.ports_per_cell, 1);
    EXPECT_THAT(draw(map, size, Palette::none),
                ElementsAre("50000  ##@.............", "50016  ##..............",
                            "50032  ........-.......", "50048  ...............@"));
    EXPECT_THAT(legend(map, Palette::none),
                ElementsAre("##     4  nginx", "@@     2  curl",
                            "--     1  lingering (TIME_WAIT and its kin)"));
}

TEST(PortMap, InColorsACharacterIsTwoCells) {
    const PortMap map = some_ports(MapBy::program).map();
    const MapSize size = size_of(map, 23, Palette::indexed);
    const std::string half = "\xe2\x96\x80";
    std::string free_cells;
    for (int i = 0; i < 13; ++i)
        free_cells += half;
    const auto drawn = draw(map, size, Palette::indexed);
    ASSERT_EQ(drawn.size(), 2U);
    EXPECT_EQ(drawn[0], "50000  \x1b[38;5;74;48;5;74m" + half + half + "\x1b[38;5;178;48;5;236m" +
                            half + "\x1b[38;5;236;48;5;236m" + free_cells + "\x1b[0m");
    EXPECT_EQ(legend(map, Palette::indexed)[1],
              "\x1b[38;5;178m\xe2\x96\x88\xe2\x96\x88\x1b[0m     2  curl");
    EXPECT_THAT(draw(map, size, Palette::direct)[0],
                HasSubstr("\x1b[38;2;86;180;233;48;2;86;180;233m" + half + half));
}

TEST(PortMap, FitsAnyWidthAndShowsEachPortOnce) {
    for (const auto palette : {Palette::none, Palette::indexed})
        for (const std::size_t width : {10U, 80U, 200U, 1000U})
            for (const std::int64_t high : {50000, 50001, 60999, 65535}) {
                const MapClasses classes(MapBy::program, 50000, high, t0);
                const PortMap map = classes.map();
                const MapSize size = size_of(map, width, palette);
                const auto cells = static_cast<std::int64_t>(size.columns * size.rows);
                EXPECT_GE(cells * size.ports_per_cell, high - 49999);
                EXPECT_LT((cells - static_cast<std::int64_t>(size.columns)) * size.ports_per_cell,
                          high - 49999);
                EXPECT_LE(draw(map, size, palette).size(), 20U);
                EXPECT_TRUE(width < 80 || size.columns + 7 <= width) << width;
            }
}

TEST(PortMap, ACellHasTheClassOfMostOfItsPorts) {
    MapClasses classes(MapBy::program, 1, 65535, t0);
    for (const int port : {1, 2})
        classes.add(held_by("few", port), Charset::utf8);
    for (const int port : {3, 4, 5})
        classes.add(held_by("many", port), Charset::utf8);
    const PortMap map = classes.map();
    EXPECT_EQ(map.classes[0].label, "many");
    EXPECT_EQ(draw(map, size_of(map, 80, Palette::none), Palette::none)[0].substr(0, 9),
              "1      #.");
}

TEST(MapClasses, OfAgeAndChurn) {
    EXPECT_THAT(legend(some_ports(MapBy::age).map(), Palette::none),
                ElementsAre("@@     2  for seconds", "%%     5  for minutes"));
    MapClasses churn(MapBy::churn, 50000, 50009, t0);
    churn.add(held_by("a", 50000), Charset::utf8);
    for (int i = 0; i < 5; ++i)
        churn.add(held_by("a", 50001), Charset::utf8);
    EXPECT_EQ(churn.used(), 2);
    EXPECT_THAT(legend(churn.map(), Palette::none),
                ElementsAre("##     1  taken once", "%%     1  4 to 9 times"));
}

TEST(MapClasses, NamesAreEscapedAndManyProgramsShareAClass) {
    MapClasses classes(MapBy::program, 50000, 50099, t0);
    for (int i = 0; i < 20; ++i)
        classes.add(held_by(("p\x1b" + std::to_string(i)).c_str(), 50000 + i), Charset::utf8);
    proto::Lease cut = held_by("x", 50050);
    cut.opener = cut.last_holder = {};
    cut.incomplete = true;
    classes.add(cut, Charset::utf8);
    const auto lines = legend(classes.map(), Palette::none);
    ASSERT_EQ(lines.size(), 9U);
    EXPECT_THAT(lines[0], HasSubstr("p\\x1b0"));
    EXPECT_EQ(lines[8], "==    13  other programs");
}

class MapVerb : public ::testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC0", 1);
        ::setenv("LC_ALL", "C.UTF-8", 1);
        records_.status.ports = "dynamic";
        records_.status.range_low = 50000;
        records_.status.range_high = 50063;
        records_.coverage = watched(t0 - 3600 * second, t0 + second);
    }
    Records records_;
};

TEST_F(MapVerb, DrawsWhatIsOpenOrWas) {
    proto::Lease over = held_by("curl", 50001);
    over.closed = over.freed = observed(t0 + second);
    records_.leases = {held_by("nginx", 50000), over};
    const FakeDaemon daemon(answers_from(records_));
    const Outcome then = run({"--socket", daemon.path(), "map", "--at", "2026-11-22 03:12:05"});
    EXPECT_EQ(then.status, 0) << then.err;
    EXPECT_THAT(then.out, HasSubstr("Ports 50000-50063, at 2026-11-22 03:12:05 UTC: 2 of 64 are "
                                    "not free. A cell is a port."));
    EXPECT_THAT(then.out, HasSubstr("##     1  nginx\n@@     1  curl"));
    const Outcome other = run({"--socket", daemon.path(), "map", "--range", "50001-50001"});
    EXPECT_EQ(other.status, 0) << other.err;
    EXPECT_THAT(run({"--socket", daemon.path(), "map", "--range", "50002-50009"}).status, 1);
}

TEST_F(MapVerb, SaysThatTheRangeOfAnotherNamespaceIsNotKnown) {
    constexpr const char *remark =
        "These are the ports that the kernel chooses from where portd is "
        "(ip_local_port_range 50000-50063): portd does not know";
    records_.leases = {held_by("nginx", 50000)};
    const auto ask = [this](std::vector<std::string> words) {
        const FakeDaemon daemon(answers_from(records_));
        words.insert(words.begin(), {"--socket", daemon.path(), "map"});
        return run(words).err;
    };
    const std::string own = std::to_string(own_namespace);
    EXPECT_THAT(ask({"--netns", "4026532100"}), HasSubstr(remark));
    EXPECT_THAT(ask({"--netns", "4026532100", "--range", "50000-50009"}), Not(HasSubstr(remark)));
    EXPECT_THAT(ask({}), Not(HasSubstr(remark)));
    EXPECT_THAT(ask({"--netns", own}), Not(HasSubstr(remark)));
    const std::vector<std::string> then{"--netns", "blue", "--at", "2026-11-22 03:12:05"};
    EXPECT_THAT(ask(then), Not(HasSubstr(remark))); // the lease is of portd's own
    records_.leases[0].network_namespace = 4026532100;
    EXPECT_THAT(ask(then), HasSubstr(remark));
}

TEST_F(MapVerb, DrawsTheRangeOfAnotherNamespaceWhereItIsKnown) {
    constexpr std::int64_t other = 4026532100;
    proto::PoolUse pool;
    pool.network_namespace = other;
    pool.range_low = 20000;
    pool.range_high = 20031;
    records_.status.ports = "dynamic";
    records_.status.pools = {pool};
    records_.leases = {held_by("nginx", 20000)};
    records_.leases[0].network_namespace = other;
    const FakeDaemon daemon(answers_from(records_));
    const Outcome outcome =
        run({"--socket", daemon.path(), "map", "--netns", std::to_string(other)});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("Ports 20000-20031, now: 1 of 32 are not free."));
    EXPECT_EQ(outcome.err, "") << "all of these are recorded there";
}

TEST_F(MapVerb, RefusesANamespaceThatNobodyHasNow) {
    const Outcome typo = run({"map", "--netns", "no-such-namespace"});
    EXPECT_EQ(typo.status, 2);
    EXPECT_EQ(typo.out, "");
    EXPECT_THAT(typo.err, HasSubstr("is neither an inode number nor a name in /run/netns"));
}

TEST_F(MapVerb, ItsSentenceSaysWhatIsNotKnown) {
    const auto ask = [this](std::vector<std::string> words) {
        const FakeDaemon daemon(answers_from(records_));
        words.insert(words.begin(), {"--socket", daemon.path(), "map"});
        return run(words).out;
    };
    EXPECT_THAT(ask({"--range", "100-199"}),
                HasSubstr("now: 0 of 100 are known not to be free; portd records none of them."));
    EXPECT_THAT(ask({"--range", "49150-49159"}),
                HasSubstr("0 of 10 are known not to be free; portd records only 8 "));
    proto::Lease sampled = held_by("curl", 50001);
    sampled.opened.usec.reset();
    sampled.opened.provenance = portd::Provenance::sampled;
    sampled.opened.earliest_usec = t0 - second;
    sampled.opened.latest_usec = t0 + second;
    records_.leases = {held_by("nginx", 50000, t0 - second), sampled};
    const std::vector<std::string> then{"--at", "2026-11-22 03:12:05"};
    EXPECT_THAT(ask(then), HasSubstr(": 2 of 64 are not free, 1 of them possibly. A cell"));
    records_.coverage.intervals.clear();
    records_.coverage.complete = false;
    EXPECT_THAT(ask(then), HasSubstr("2 of 64 are known not to be free, 1 of them possibly; portd "
                                     "was not watching then."));
}

TEST_F(MapVerb, FitsATerminalInColor) {
    ::unsetenv("NO_COLOR");
    ::setenv("TERM", "xterm-256color", 1);
    records_.leases = {held_by("nginx", 50000)};
    const FakeDaemon daemon(answers_from(records_));
    for (const char *depth : {"", "truecolor"}) {
        ::setenv("COLORTERM", depth, 1);
        const Outcome outcome =
            run_on_terminal({"--no-pager", "--socket", daemon.path(), "map"}, 80, 24);
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        EXPECT_THAT(outcome.out, HasSubstr(*depth == '\0' ? "\x1b[38;5;74" : "\x1b[38;2;86;"));
    }
}

// What the whole dynamic range of IANA looks like on a busy machine.
std::vector<proto::Lease> busy_range() {
    std::vector<proto::Lease> leases;
    const auto hold = [&](const char *program, int first, int count, int step) {
        for (int i = 0; i < count; ++i)
            leases.push_back(held_by(program, first + i * step));
    };
    hold("nginx", 49152, 1, 1);
    hold("postgres", 50010, 300, 2);
    hold("curl", 52000, 700, 7);
    hold("haproxy", 57344, 2048, 1);
    hold("chronyd", 60001, 40, 97);
    hold("leaky", 63000, 1500, 1);
    for (auto &lease : leases)
        if (lease.local_port % 5 == 0)
            lease.phase = portd::Phase::lingering;
    return leases;
}

struct Form {
    const char *name;
    bool has_color;
    const char *depth; // COLORTERM
};

// One file for each picture; PORTD_WRITE_GOLDEN=1 writes them anew, to be looked at by `cat`.
TEST_F(MapVerb, LooksAsItDid) {
    records_.status.range_low = 49152;
    records_.status.range_high = 65535;
    records_.leases = busy_range();
    const FakeDaemon daemon(answers_from(records_));
    ::setenv("TERM", "xterm-256color", 1);
    for (const Form form :
         {Form{"plain", false, ""}, Form{"256", true, ""}, Form{"truecolor", true, "truecolor"}})
        for (const std::uint16_t columns : std::array<std::uint16_t, 2>{80, 200})
            for (const bool is_live : {true, false}) {
                ::setenv("COLORTERM", form.depth, 1);
                if (form.has_color)
                    ::unsetenv("NO_COLOR");
                else
                    ::setenv("NO_COLOR", "1", 1);
                std::vector<std::string> words{"--no-pager", "--socket", daemon.path(), "map"};
                if (!is_live)
                    words.insert(words.end(), {"--at", "2026-11-22 03:12:05"});
                const Outcome outcome = run_on_terminal(words, columns, 40);
                EXPECT_EQ(outcome.status, 0) << outcome.err;
                const std::string file =
                    std::string(PORTD_SOURCE "/tests/unit/client/golden/map-") + form.name + "-" +
                    std::to_string(columns) + (is_live ? "-live" : "-at") + ".txt";
                if (std::getenv("PORTD_WRITE_GOLDEN"))
                    std::ofstream(file) << outcome.out;
                std::ifstream golden(file);
                EXPECT_EQ(outcome.out, std::string(std::istreambuf_iterator(golden), {})) << file;
            }
}

TEST_F(MapVerb, RefusesWhatIsNoRange) {
    for (const char *range : {"", "5", "5-4", "0-7", "1-65536", "a-b"})
        EXPECT_EQ(run({"map", "--range", range}).status, 2) << range;
}

} // namespace
} // namespace portd::client::test
