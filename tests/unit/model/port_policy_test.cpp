#include "model/endpoint.hpp"
#include "model/port_policy.hpp"
#include "unit/model/script.hpp"

#include <algorithm>
#include <rapidcheck/gtest.h>
#include <sstream>

namespace portd::model {
namespace {

std::optional<PortPolicy> parse(std::string_view setting) {
    const auto result = PortPolicy::parse(setting);
    if (const auto *policy = std::get_if<PortPolicy>(&result))
        return *policy;
    EXPECT_NE(std::get<PortSettingError>(result).message.find(setting), std::string::npos);
    return std::nullopt;
}

TEST(LocalPortRange, IsWhatTheKernelWrites) {
    EXPECT_EQ(parse_local_port_range("32768\t60999\n"), (PortRange{32768, 60999}));
    EXPECT_EQ(parse_local_port_range("1 65535"), (PortRange{1, 65535}));
    for (const auto *text : {"", "\n", "32768", "32768\t", "60999\t32768", "1\t65536", "0\t5",
                             "-1\t5", "1\t2\t3", "a\tb", "32768-60999"})
        EXPECT_EQ(parse_local_port_range(text), std::nullopt) << text;
}

TEST(ReservedPorts, AreWhatTheKernelWrites) {
    using Ranges = std::vector<PortRange>;
    EXPECT_EQ(parse_port_list("\n"), Ranges{});
    EXPECT_EQ(parse_port_list("80\n"), (Ranges{{80, 80}}));
    EXPECT_EQ(parse_port_list("0-10,80\n"), (Ranges{{0, 10}, {80, 80}}));
    EXPECT_EQ(parse_port_list("80, 1000 - 1010 ,65535"),
              (Ranges{{80, 80}, {1000, 1010}, {65535, 65535}}));
    for (const auto *text : {",", "80,", ",80", "80,,81", "10-5", "5-", "-5", "65536", "x", "8 0",
                             "1-2-3", "+5", "0x50"})
        EXPECT_EQ(parse_port_list(text), std::nullopt) << text;
}

TEST(AutomaticChoice, IsFromTheRangeLessWhatIsReserved) {
    const NamespacePorts ports{{40000, 50000}, {{1, 2}, {40000, 40010}, {45000, 45000}}, 1024};
    EXPECT_EQ(ports.automatic_ports(), 10001 - 11 - 1);
    EXPECT_FALSE(ports.can_be_automatic(39999));
    EXPECT_FALSE(ports.can_be_automatic(40010));
    EXPECT_TRUE(ports.can_be_automatic(40011));
    EXPECT_FALSE(ports.can_be_automatic(45000));
    EXPECT_TRUE(ports.can_be_automatic(50000));
    EXPECT_FALSE(ports.can_be_automatic(50001));
}

TEST(PortPolicy, RecordsWhatItSays) {
    struct Case {
        const char *setting;
        std::uint16_t port;
        bool records;
    };
    const Case cases[] = {
        {"dynamic", 32768, true},
        {"dynamic", 60999, true},
        {"dynamic", 40000, true},
        {"dynamic", 61500, true},
        {"dynamic", 65535, true},
        {"dynamic", 32767, false},
        {"dynamic", 22, false},
        {"dynamic", 0, false},
        {"all", 1, true},
        {"all", 65535, true},
        {"all", 0, false},
        {"53,8000-8099", 53, true},
        {"53,8000-8099", 8000, true},
        {"53,8000-8099", 8099, true},
        {"53,8000-8099", 8100, false},
        {"53,8000-8099", 40000, false},
    };
    for (const auto &[setting, port, records] : cases) {
        const auto policy = parse(setting);
        ASSERT_TRUE(policy) << setting;
        EXPECT_EQ(policy->records(port, NamespacePorts{}), records) << setting << " " << port;
    }
    const NamespacePorts narrow{{20000, 20100}, {}, 1024};
    EXPECT_TRUE(parse("dynamic")->records(20050, narrow));
    EXPECT_FALSE(parse("dynamic")->records(40000, narrow));
    EXPECT_TRUE(parse("dynamic")->records(60000, narrow));
}

TEST(PortPolicy, RefusesWithTheSettingInTheMessage) {
    for (const auto *setting :
         {"", " ", "Dynamic", "everything", "0", "0-10", "80,0", "70000", "10-5", "80,"})
        EXPECT_FALSE(parse(setting)) << setting;
}

RC_GTEST_PROP(PortPolicy, IsPrintedAsItParses, ()) {
    const auto ranges = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(1, 65536), rc::gen::inRange(1, 65536))));
    std::ostringstream text;
    for (const auto &[a, b] : ranges)
        text << (text.tellp() == 0 ? "" : ",") << std::min(a, b) << "-" << std::max(a, b);
    const auto policy = parse(text.str());
    RC_ASSERT(policy.has_value());
    RC_ASSERT(parse(policy->to_string()) == policy);
    RC_ASSERT(parse(policy->to_string())->to_string() == policy->to_string());
    const auto port = static_cast<std::uint16_t>(*rc::gen::inRange(0, 65536));
    const bool within = std::ranges::any_of(ranges, [&](const auto &range) {
        return std::min(range.first, range.second) <= port &&
               port <= std::max(range.first, range.second);
    });
    RC_ASSERT(policy->records(port, NamespacePorts{}) == within);
}

TEST(PortPolicy, NamesArePrintedAsTheyParse) {
    for (const auto *setting : {"dynamic", "all", "53", "53,8000-8099"})
        EXPECT_EQ(parse(setting)->to_string(), setting);
}

TEST(Address, IsPrintedAsInetNtopDoes) {
    for (const auto *text :
         {"0.0.0.0", "192.0.2.1", "::", "::1", "2001:db8::1", "::ffff:192.0.2.1"})
        EXPECT_EQ(script::endpoint(text, 1).address.to_string(), text);
    EXPECT_TRUE(script::endpoint("0.0.0.0", 1).address.is_wildcard());
    EXPECT_TRUE(script::endpoint("::", 1).address.is_wildcard());
    EXPECT_FALSE(script::endpoint("::1", 1).address.is_wildcard());
}

} // namespace
} // namespace portd::model
