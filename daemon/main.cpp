#include "app.hpp"

int main(int argc, char **argv) {
    return static_cast<int>(portd::run(argc, argv));
}
