#include "port_pool.hpp"

#include <gtest/gtest.h>

namespace portd {
namespace {

constexpr std::uint32_t here = 4026531840;

model::Lease make(std::int64_t serial, std::uint16_t port, Protocol protocol = Protocol::tcp) {
    model::Lease lease;
    lease.serial = serial;
    lease.protocol = protocol;
    lease.local.port = port;
    lease.id.socket.network_namespace = here;
    return lease;
}

model::Lease ended(model::Lease one) {
    one.freed = model::When::observed(model::instant_from_us(1));
    return one;
}

TEST(PortPool, HasThePortsThatTheKernelMayChoose) {
    PortPool pool(here);
    pool.follow({});
    EXPECT_EQ(pool.size(), 28232U);
    pool.follow({.local_range = {65000, 65535}, .reserved = {{64000, 65009}, {65535, 65535}}});
    EXPECT_EQ(pool.size(), 525U);
}

TEST(PortPool, CountsEachPortOfAProtocolOnceWhileALeaseIsOpen) {
    PortPool pool(here);
    pool.follow({.local_range = {40000, 40003}, .reserved = {{40003, 40003}}});
    for (const auto &one : {make(1, 40000), make(2, 40000), make(3, 40001), make(4, 443),
                            make(5, 40002, Protocol::udp), make(6, 40003)})
        pool.note(one);
    pool.note(make(1, 40000)); // changed, and still open
    EXPECT_EQ(pool.used(Protocol::tcp), 2U);
    EXPECT_EQ(pool.used(Protocol::udp), 1U);
    pool.note(ended(make(1, 40000)));
    EXPECT_EQ(pool.used(Protocol::tcp), 2U);
    pool.note(ended(make(2, 40000)));
    pool.note(ended(make(2, 40000))); // late news of it
    EXPECT_EQ(pool.used(Protocol::tcp), 1U);
}

TEST(PortPool, IsThatOfOneNamespace) {
    PortPool pool(here);
    pool.follow({.local_range = {40000, 40001}, .reserved = {}});
    auto other = make(1, 40000);
    other.id.socket.network_namespace = here + 1;
    pool.note(other);
    pool.note(make(2, 40001));
    EXPECT_EQ(pool.used(Protocol::tcp), 1U);
}

} // namespace
} // namespace portd
