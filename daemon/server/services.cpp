#include "services.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <netdb.h>
#include <optional>
#include <system_error>

namespace portd::server {
namespace {

std::optional<std::string> service_name(std::uint16_t port, const char *protocol) {
    std::vector<char> buffer(1024);
    for (;;) {
        servent entry{};
        servent *found = nullptr;
        const int error =
            ::getservbyport_r(htons(port), protocol, &entry, buffer.data(), buffer.size(), &found);
        if (found != nullptr)
            return found->s_name;
        if (error == 0 || error == ENOENT)
            return std::nullopt;
        if (error != ERANGE)
            throw std::system_error(error, std::generic_category(), "services database");
        buffer.resize(buffer.size() * 2);
    }
}

} // namespace

std::vector<std::string> services_of(std::uint16_t port) {
    std::vector<std::string> services;
    for (const char *protocol : {"tcp", "udp"})
        if (const auto name = service_name(port, protocol))
            services.push_back(*name + "/" + protocol);
    return services;
}

} // namespace portd::server
