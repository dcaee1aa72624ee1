// Who had the socket, who opened it, and who let go last.
#include "unit/model/script.hpp"

namespace portd::model {
namespace {

using namespace script;

const Endpoint local = endpoint("192.0.2.1", 40000);
const Row socket_row = datagram(1, local);
const SocketKey key = socket_row.key;
const Table udp4{Protocol::udp, Family::ipv4, here};
constexpr Attribution nobody{};

Attribution sampled(std::uint32_t holder) {
    return {holder, Provenance::sampled};
}
Attribution inferred(std::uint32_t holder) {
    return {holder, Provenance::inferred};
}

// A socket that was opened between 1000 and 2005 and is still there.
struct OpenSocket : Script {
    OpenSocket() {
        scan(udp4, ms(1000), {});
        scan(ms(2000), {socket_row});
    }
    void destroy(Instant at) { apply(destroyed(socket_row, at)); }
};

TEST(Opener, IsTheOnlyHolderAtTheFirstLook) {
    OpenSocket script;
    const auto daemon = process(10, ms(500));
    script.seen(key, daemon, ms(2020));
    const auto lease = script.lease();
    ASSERT_EQ(lease.holders.size(), 1U);
    EXPECT_EQ(lease.holders[0], (Holder{daemon, ms(2020), ms(2020), true, std::nullopt}));
    EXPECT_EQ(lease.opener, sampled(0));
    EXPECT_EQ(lease.last_holder, nobody) << "it is still held";
}

TEST(Opener, IsNotDisplacedByALaterHolder) {
    OpenSocket script;
    script.seen(key, process(10, ms(500)), ms(2020));
    script.seen(key, process(11, ms(600)), ms(3020));
    EXPECT_EQ(script.lease().opener, sampled(0));
    EXPECT_EQ(script.lease().holders.size(), 2U);
}

TEST(Opener, OfSeveralIsTheAncestorOfTheOthers) {
    OpenSocket script;
    script.seen(key, process(12, ms(700), "worker", {10, 1}), ms(2020));
    script.seen(key, process(10, ms(500), "main", {1}), ms(2020));
    script.seen(key, process(11, ms(700), "worker", {10, 1}), ms(2020));
    EXPECT_EQ(script.lease().opener, inferred(1));
}

TEST(Opener, IsTheAncestorEvenIfItIsFoundLater) {
    OpenSocket script;
    script.seen(key, process(12, ms(700), "worker", {10, 1}), ms(2020));
    script.seen(key, process(10, ms(500), "main", {1}), ms(3020));
    EXPECT_EQ(script.lease().opener, inferred(1));
}

TEST(Opener, OfTwoUnrelatedIsUnknown) {
    OpenSocket script;
    script.seen(key, process(10, ms(500)), ms(2020));
    script.seen(key, process(11, ms(500)), ms(2020));
    EXPECT_EQ(script.lease().opener, nobody);
}

TEST(Opener, OfTwoSiblingsIsUnknown) {
    OpenSocket script;
    script.seen(key, process(11, ms(500), "worker", {10, 1}), ms(2020));
    script.seen(key, process(12, ms(500), "worker", {10, 1}), ms(2020));
    EXPECT_EQ(script.lease().opener, nobody);
}

TEST(Opener, IsNotWhoStartedAfterItWasOpen) {
    OpenSocket script;
    script.seen(key, process(10, ms(2006)), ms(2020));
    EXPECT_EQ(script.lease().opener, nobody);
    EXPECT_EQ(script.lease().holders.size(), 1U);
}

TEST(Opener, IsNotAYoungerProcessThatHasThePidOfAnAncestor) {
    OpenSocket script;
    script.seen(key, process(11, ms(500), "worker", {10, 1}), ms(2020));
    script.seen(key, process(10, ms(600)), ms(2020));
    EXPECT_EQ(script.lease().opener, nobody);
}

TEST(Holders, AreNewsWhenTheyComeAndWhenTheyGo) {
    OpenSocket script;
    const auto holder = process(10, ms(500));
    script.ledger.take_changes();
    script.seen(key, holder, ms(2020));
    EXPECT_EQ(script.ledger.take_changes().size(), 1U);
    script.seen(key, holder, ms(3020));
    EXPECT_TRUE(script.ledger.take_changes().empty());
    script.gone(key, holder, When::observed(ms(3500)));
    EXPECT_EQ(script.ledger.take_changes().size(), 1U);
    script.gone(key, holder, When::observed(ms(3500)));
    EXPECT_TRUE(script.ledger.take_changes().empty());
}

TEST(Holders, WithAReusedPidAreTwo) {
    OpenSocket script;
    script.seen(key, process(10, ms(500)), ms(2020));
    script.gone(key, process(10, ms(500)), When::observed(ms(2500)));
    script.seen(key, process(10, ms(2600)), ms(3020));
    const auto lease = script.lease();
    ASSERT_EQ(lease.holders.size(), 2U);
    EXPECT_FALSE(lease.holders[0].present);
    EXPECT_TRUE(lease.holders[1].present);
}

TEST(Holders, ThatStartedAfterTheEndAreRefused) {
    OpenSocket script;
    script.destroy(ms(2500));
    script.seen(key, process(10, ms(2501)), ms(2400));
    script.seen(key, process(11, ms(500)), ms(2501));
    EXPECT_TRUE(script.lease().holders.empty());
    script.seen(key, process(12, ms(500)), ms(2400));
    EXPECT_EQ(script.lease().holders.size(), 1U) << "late news";
    EXPECT_EQ(script.lease().opener, sampled(0));
    EXPECT_EQ(script.lease().last_holder, sampled(0));
}

TEST(Holders, OfUnknownSocketsAreNoLeases) {
    Script script;
    script.seen(key, process(10, ms(500)), ms(2020));
    script.gone(key, process(10, ms(500)), When::observed(ms(2030)));
    EXPECT_TRUE(script.leases().empty());
}

TEST(Holders, OfAConnectionAreReportedUnderTheKeyOfItsSocketAfterTimeWaitTookItsPlace) {
    const auto peer = endpoint("198.51.100.7", 443);
    Script script;
    script.scan(ms(1000), {connection(1, local, peer)});
    script.scan(ms(2000), {time_wait(2, local, peer)});
    script.seen(cookie(1), process(10, ms(500)), ms(1020));
    script.gone(cookie(1), process(10, ms(500)), When::observed(ms(1500)));
    ASSERT_EQ(script.lease().holders.size(), 1U);
    EXPECT_FALSE(script.lease().holders[0].present);
}

TEST(Holders, BeyondTheLimitAreCountedOnce) {
    OpenSocket script;
    for (int look = 0; look < 3; ++look)
        for (std::int32_t pid = 1; pid <= 70; ++pid)
            script.seen(key, process(pid, ms(500)), ms(2020 + look));
    EXPECT_EQ(script.lease().holders.size(), Lease::max_holders);
    EXPECT_EQ(script.lease().holders_omitted, 6U);
    script.gone(key, process(70, ms(500)), When::observed(ms(2500)));
    EXPECT_TRUE(script.ledger.take_changes().empty());
    script.destroy(ms(3000));
    EXPECT_EQ(script.lease().last_holder, nobody);
}

TEST(Exec, RetiresTheOldImage) {
    OpenSocket script;
    const auto shell = process(10, ms(500), "sh"), program = process(10, ms(500), "nc");
    script.seen(key, shell, ms(2020));
    script.gone(key, shell, When::observed(ms(2500)));
    script.seen(key, program, ms(3020));
    script.gone(key, shell, When::observed(ms(2500))); // said twice
    const auto lease = script.lease();
    ASSERT_EQ(lease.holders.size(), 2U);
    EXPECT_FALSE(lease.holders[0].present);
    EXPECT_TRUE(lease.holders[1].present);
    EXPECT_EQ(lease.opener, sampled(0));
    script.destroy(ms(4000));
    EXPECT_EQ(script.lease().last_holder, sampled(1));
}

TEST(Exec, WithinOneLookKeepsTheNewImage) {
    OpenSocket script;
    const auto shell = process(10, ms(500), "sh"), program = process(10, ms(500), "nc");
    script.seen(key, shell, ms(2020));
    const auto gone = When::sampled(ms(2020), ms(3020));
    script.gone(key, shell, gone);
    script.seen(key, program, ms(3020));
    script.gone(key, shell, gone); // said twice
    EXPECT_FALSE(script.lease().holders[0].present);
    EXPECT_TRUE(script.lease().holders[1].present);
}

TEST(Exec, IsKnownFromTheNewImageAlone) {
    OpenSocket script;
    const auto shell = process(10, ms(500), "sh"), program = process(10, ms(500), "nc");
    script.seen(key, shell, ms(2020));
    script.seen(key, program, ms(3020));
    script.seen(key, shell, ms(2520)); // late
    const auto lease = script.lease();
    EXPECT_FALSE(lease.holders[0].present);
    EXPECT_EQ(lease.holders[0].last_seen, ms(2520));
    EXPECT_TRUE(lease.holders[1].present);
}

struct LastHolderCase {
    const char *what;
    std::optional<When> first_gone;
    std::optional<When> second_gone;
    Attribution last;
};

class LastHolder : public testing::TestWithParam<LastHolderCase> {};

TEST_P(LastHolder, OutlastedAllOthersForCertain) {
    const auto &param = GetParam();
    OpenSocket script;
    const auto first = process(10, ms(500)), second = process(11, ms(500));
    script.seen(key, first, ms(2020));
    script.seen(key, second, ms(2020));
    if (param.first_gone)
        script.gone(key, first, *param.first_gone);
    if (param.second_gone)
        script.gone(key, second, *param.second_gone);
    EXPECT_EQ(script.lease().last_holder, nobody);
    script.destroy(ms(3000));
    EXPECT_EQ(script.lease().last_holder, param.last);
}

INSTANTIATE_TEST_SUITE_P(
    Holders, LastHolder,
    testing::Values(LastHolderCase{"BothPresent", {}, {}, nobody},
                    LastHolderCase{"OnePresent", When::observed(ms(2500)), {}, sampled(1)},
                    LastHolderCase{"OneAfterTheOther", When::observed(ms(2500)),
                                   When::observed(ms(2600)), sampled(1)},
                    LastHolderCase{"TheOtherOrder", When::observed(ms(2600)),
                                   When::observed(ms(2500)), sampled(0)},
                    LastHolderCase{"BoundsApart", When::sampled(ms(2100), ms(2200)),
                                   When::sampled(ms(2200), ms(2300)), sampled(1)},
                    LastHolderCase{"BoundsOverlap", When::sampled(ms(2100), ms(2300)),
                                   When::sampled(ms(2200), ms(2400)), nobody},
                    LastHolderCase{"OneOfUnknownMoment", When{}, When::observed(ms(2600)), nobody}),
    [](const auto &last) { return last.param.what; });

TEST(LateSightings, OfWhoHasLeftAlreadyAreOfWhoIsGone) {
    OpenSocket script;
    const auto first = process(10, ms(500)), second = process(11, ms(500));
    script.seen(key, second, ms(2020));
    script.gone(key, first, When::observed(ms(2100)));
    script.gone(key, second, When::observed(ms(2200)));
    script.seen(key, first, ms(2020));
    script.destroy(ms(2200));
    EXPECT_FALSE(script.lease().holders[0].present);
    EXPECT_FALSE(script.lease().holders[1].present);
    const auto lease = script.lease();
    ASSERT_TRUE(lease.last_holder.holder);
    EXPECT_EQ(lease.holders[*lease.last_holder.holder].process, second);
}

TEST(LateSightings, OfWhoHadLeftBeforeThePortChangedAreOfWhoIsGone) {
    OpenSocket script;
    const auto first = process(10, ms(500));
    script.seen(key, first, ms(2020));
    script.gone(key, first, When::observed(ms(2100)));
    script.scan(ms(3000), {datagram(1, endpoint("192.0.2.1", 40001))});
    script.seen(key, first, ms(2020));
    const auto lease = script.leases().back();
    ASSERT_EQ(lease.holders.size(), 1U);
    EXPECT_FALSE(lease.holders[0].present);
}

TEST(LateSightings, OfTheFirstLookCountForTheOpener) {
    OpenSocket script;
    script.seen(key, process(10, ms(500)), ms(3020));
    script.seen(key, process(11, ms(600)), ms(2020));
    const auto lease = script.lease();
    EXPECT_EQ(lease.holders[0].process->key.pid, 11);
    EXPECT_EQ(lease.opener, sampled(0));
}

} // namespace
} // namespace portd::model
