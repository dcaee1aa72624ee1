// "Name: value" lines with the names aligned to the right, as systemctl status prints them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace portd::client {

class Fields {
  public:
    void add(std::string name, std::string value) {
        fields_.emplace_back(std::move(name), std::move(value));
    }
    // Another line of the value before.
    void more(std::string value) { fields_.emplace_back("", std::move(value)); }

    std::vector<std::string> lines() const;

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

} // namespace portd::client
