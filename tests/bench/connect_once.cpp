// Connects to ADDRESS PORT and exits: connect_once ADDRESS PORT. Small and static, so that starting
// it costs little.
#include <arpa/inet.h>
#include <cstdint>
#include <cstdlib>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
    if (inet_pton(AF_INET, argv[1], &peer.sin_addr) != 1)
        return 2;
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    const auto *address = static_cast<const sockaddr *>(static_cast<const void *>(&peer));
    _exit(client < 0 || connect(client, address, sizeof(peer)) != 0);
}
