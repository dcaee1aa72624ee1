// What this program does when a scenario has executed it: arguments are the image's name, the
// descriptor of the log, the index of a lease and the descriptor of its socket.
#pragma once

namespace ground_truth {

constexpr auto image_close = "image-close";   // closes the socket: the last holder
constexpr auto image_closed = "image-closed"; // notes that execve(2) has closed the socket
constexpr auto image_accept = "image-accept"; // accepts one connection, and leaves the listener
constexpr auto image_accept_last = "image-accept-last"; // and closes the listener, too

} // namespace ground_truth
