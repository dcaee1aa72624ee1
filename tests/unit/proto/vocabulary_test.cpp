#include "proto/vocabulary.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>

namespace portd {
namespace {

template <typename Enum>
void expect_words(Enum last, std::set<std::string> expected) {
    std::set<std::string> words;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
        const auto value = static_cast<Enum>(i);
        words.emplace(to_string(value));
        EXPECT_EQ(parse_word<Enum>(to_string(value)), value) << to_string(value);
    }
    EXPECT_EQ(words, expected);
    for (const char *text : {"", " ", "none", "TCP", "Client", "clientx"})
        EXPECT_EQ(parse_word<Enum>(text), std::nullopt) << text;
}

TEST(Vocabulary, EveryValueHasOneSpelling) {
    expect_words(Protocol::udp, {"tcp", "udp"});
    expect_words(Family::ipv6, {"ipv4", "ipv6"});
    expect_words(Role::datagram, {"client", "listener", "accepted", "datagram"});
    expect_words(PortChoice::explicit_, {"automatic", "explicit"});
    expect_words(PortChosenBy::send, {"bind", "listen", "connect", "send"});
    expect_words(TimeWaitReuse::loopback, {"never", "always", "loopback"});
    expect_words(Phase::freed, {"bound", "listening", "connecting", "connected", "closing",
                                "lingering", "freed"});
    expect_words(Outcome::abandoned,
                 {"closed", "refused", "reset", "timedOut", "unreachable", "abandoned"});
    expect_words(Provenance::unknown, {"observed", "sampled", "inferred", "unknown"});
    expect_words(CaptureTier::procfs, {"ebpf", "sock_diag", "procfs"});
    expect_words(AuditBy::peer, {"program", "unit", "user", "peer"});
    expect_words(AuditOrder::longest, {"leases", "failures", "bytes", "longest"});
    expect_words(BindVerdict::does_not_block, {"blocks", "mayBlock", "doesNotBlock"});
    expect_words(BindReason::other_namespace,
                 {"sameAddress", "wildcardHeld", "wildcardAsked", "dualStackHeld", "dualStackAsked",
                  "ipv6Connection", "otherAddress", "otherFamily", "otherProtocol",
                  "otherNamespace"});
    expect_words(Confidence::nobody, {"exact", "likely", "ambiguous", "unknown", "withheld",
                                      "unwatched", "notRecorded", "nobody"});
    expect_words(AttributionReason::no_connection,
                 {"tuple", "localEnd", "otherPeer", "dualStack", "portOnly", "addressNotLocal",
                  "lingering", "skewed", "sampled", "inferred", "noConnection"});
    expect_words(FlowSide::destination, {"source", "destination"});
}

TEST(Vocabulary, ValuesKeepTheirWords) {
    EXPECT_EQ(to_string(PortChoice::explicit_), "explicit");
    EXPECT_EQ(to_string(PortChosenBy::listen), "listen");
    EXPECT_EQ(to_string(PortChosenBy::connect), "connect");
    EXPECT_EQ(to_string(Outcome::timed_out), "timedOut");
    EXPECT_EQ(to_string(CaptureTier::sock_diag), "sock_diag");
    EXPECT_EQ(to_string(Phase::lingering), "lingering");
    EXPECT_EQ(to_string(Role::accepted), "accepted");
}

} // namespace
} // namespace portd
