#include "server/services.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace portd::server {
namespace {

// The database read the plain way: "name port/protocol aliases # comment".
std::vector<std::string> services_in_file(std::uint16_t port) {
    std::vector<std::string> services;
    for (const std::string protocol : {"tcp", "udp"}) {
        std::ifstream file("/etc/services");
        for (std::string line; std::getline(file, line);) {
            std::istringstream words(line.substr(0, line.find('#')));
            std::string name;
            std::string number;
            if (words >> name >> number && number == std::to_string(port) + "/" + protocol) {
                services.push_back(name + "/" + protocol);
                break;
            }
        }
    }
    return services;
}

TEST(Services, AreThoseOfTheDatabase) {
    if (!std::filesystem::exists("/etc/services"))
        GTEST_SKIP() << "no /etc/services on this system";
    constexpr std::uint16_t ports[] = {22, 53, 67, 80, 443, 514, 60609};
    for (const std::uint16_t port : ports)
        EXPECT_EQ(services_of(port), services_in_file(port)) << port;
}

TEST(Services, UnassignedPortHasNone) {
    EXPECT_TRUE(services_of(65432).empty());
}

} // namespace
} // namespace portd::server
