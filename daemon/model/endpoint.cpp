#include "model/endpoint.hpp"

#include <arpa/inet.h>

namespace portd::model {

std::string Address::to_string() const {
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(family == Family::ipv4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
    return text;
}

} // namespace portd::model
