#include "client/command_line.hpp"

int main(int argc, char **argv) {
    return static_cast<int>(portd::client::run_command_line({argv, argv + argc}, {}));
}
