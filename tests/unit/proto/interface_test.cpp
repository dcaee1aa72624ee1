// The interface file, read as a client would read it, against what the codec emits.
#include "proto/interfaces.hpp"

#include "generators.hpp"
#include "proto/codec.hpp"
#include "proto/varlink.hpp"
#include "proto/vocabulary.hpp"
#include "samples.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <cctype>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portd::proto {
namespace {

using nlohmann::json;

struct Type {
    bool nullable = false;
    bool array = false;
    std::string name; // bool, int, string, or a type of the interface
};

struct Definition {
    std::map<std::string, Type> fields;
    std::set<std::string> words; // of an enumeration
};

struct Interface {
    std::string name;
    std::map<std::string, Definition> types; // methods as "Name in" and "Name out"
    std::set<std::string> errors;
};

// Names, "->" and single characters; comments left out.
std::vector<std::string> tokens_of(std::string_view text) {
    std::vector<std::string> tokens;
    for (std::size_t i = 0; i < text.size();) {
        const auto in_name = [&](std::size_t at) {
            return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 ||
                                        text[at] == '_' || text[at] == '.');
        };
        if (text[i] == '#') {
            i = std::min(text.find('\n', i), text.size());
        } else if (std::isspace(static_cast<unsigned char>(text[i])) != 0) {
            ++i;
        } else {
            std::size_t end = i + (text.substr(i, 2) == "->" ? 2 : 1);
            if (in_name(i))
                while (in_name(end))
                    ++end;
            tokens.emplace_back(text.substr(i, end - i));
            i = end;
        }
    }
    return tokens;
}

class Parser {
  public:
    explicit Parser(std::string_view text) : tokens_(tokens_of(text)) {}

    Interface parse() {
        Interface result;
        expect("interface");
        result.name = take();
        while (at_ < tokens_.size()) {
            const std::string keyword = take();
            const std::string name = take();
            if (keyword == "type") {
                result.types[name] = definition();
            } else if (keyword == "method") {
                result.types[name + " in"] = definition();
                expect("->");
                result.types[name + " out"] = definition();
            } else if (keyword == "error") {
                result.errors.insert(name);
                definition();
            } else {
                throw std::runtime_error("unexpected " + keyword);
            }
        }
        return result;
    }

  private:
    std::string take() { return tokens_.at(at_++); }
    bool take_if(const char *token) {
        const bool found = at_ < tokens_.size() && tokens_[at_] == token;
        at_ += found ? 1 : 0;
        return found;
    }
    void expect(const char *token) {
        if (!take_if(token))
            throw std::runtime_error(std::string("expected ") + token);
    }

    Definition definition() {
        Definition result;
        expect("(");
        while (!take_if(")")) {
            const std::string name = take();
            if (take_if(":"))
                result.fields[name] = type();
            else
                result.words.insert(name);
            if (!take_if(",") && tokens_.at(at_) != ")")
                throw std::runtime_error("expected , or ) after " + name);
        }
        return result;
    }

    Type type() {
        Type result;
        result.nullable = take_if("?");
        if (take_if("[")) {
            expect("]");
            result.array = true;
        }
        result.name = take();
        return result;
    }

    std::vector<std::string> tokens_;
    std::size_t at_ = 0;
};

const Interface &ports() {
    static const Interface parsed = Parser(ports_interface).parse();
    return parsed;
}

enum class Presence { as_declared, every_field };

// What is wrong with the value, in words; empty if it is of the type.
std::string check(const json &value, const std::string &name, Presence presence);

std::string check_field(const json &value, const Type &type, Presence presence) {
    if (!type.array)
        return check(value, type.name, presence);
    if (!value.is_array() || (presence == Presence::every_field && value.empty()))
        return "is not an array with elements";
    for (const json &element : value)
        if (auto wrong = check(element, type.name, presence); !wrong.empty())
            return wrong;
    return "";
}

std::string check(const json &value, const std::string &name, Presence presence) {
    if (name == "int")
        return value.is_number_integer() ? "" : "is not an int";
    if (name == "string")
        return value.is_string() ? "" : "is not a string";
    if (name == "bool")
        return value.is_boolean() ? "" : "is not a bool";
    const auto found = ports().types.find(name);
    if (found == ports().types.end())
        return "has no type " + name;
    if (!found->second.words.empty())
        return value.is_string() && found->second.words.contains(value.get<std::string>())
                   ? ""
                   : "is not a word of " + name;
    for (const auto &[key, member] : value.items()) {
        const auto field = found->second.fields.find(key);
        if (field == found->second.fields.end())
            return name + " has no field " + key;
        if (auto wrong = check_field(member, field->second, presence); !wrong.empty())
            return name + "." + key + " " + wrong;
    }
    for (const auto &[key, type] : found->second.fields)
        if ((presence == Presence::every_field || !type.nullable) && !value.contains(key))
            return name + "." + key + " is missing";
    return "";
}

TEST(Interface, IsReadAsVarlink) {
    EXPECT_EQ(ports().name, "io.portd.Ports");
    EXPECT_EQ(Parser(service_interface).parse().name, "org.varlink.service");
}

TEST(Interface, NamesEveryFieldThatIsEmittedAndEmitsEveryFieldItNames) {
    const std::pair<const char *, json> messages[] = {
        {"History in", encode(samples::history_request())},
        {"List in", encode(samples::list_request())},
        {"Audit in", encode(samples::audit_request())},
        {"Audit out", encode(samples::audit_reply())},
        {"Why in", encode(samples::why_request())},
        {"Why out", encode(samples::why_reply())},
        {"Conflicts in", encode(ConflictsRequest{.since_usec = 1})},
        {"Conflicts out", encode(samples::conflicts_reply())},
        {"Pressure in", encode(samples::pressure_request())},
        {"Pressure out", encode(samples::pressure_reply())},
        {"Attribute in", encode(samples::attribute_request())},
        {"Attribute out", encode(samples::attribute_reply())},
        {"Verify out", encode(samples::verify_reply())},
        {"Watch in", encode(samples::watch_request())},
        {"Export in", encode(samples::export_request())},
        {"Watch out", encode(samples::watch_reply())},
        {"Export out", encode(samples::export_reply())},
        {"Who in", encode(PortRequest{.port = 1})},
        {"Explain in", encode(PortRequest{.port = 1})},
        {"Lease", encode(samples::lease())},
        {"BindFailure", encode(samples::bind_failure())},
        {"Coverage", encode(samples::coverage())},
        {"Occupancy", encode(samples::who_reply())},
        {"Who out", encode(samples::who_reply())},
        {"Explain out", encode(samples::explanation())},
        {"Status out", encode(samples::status())},
    };
    for (const auto &[type, message] : messages)
        EXPECT_EQ(check(message, type, Presence::every_field), "");
    LeaseReply all{.lease = samples::lease(),
                   .bind_failure = std::nullopt,
                   .cursor = std::nullopt,
                   .coverage = samples::coverage(),
                   .withheld = true};
    EXPECT_EQ(check(encode(all), "List out", Presence::every_field), "");
    all.bind_failure = samples::bind_failure();
    all.cursor = "1-o-5";
    EXPECT_EQ(check(encode(all), "History out", Presence::every_field), "");
}

RC_GTEST_PROP(Interface, HoldsForAnyMessage, ()) {
    const std::pair<const char *, json> messages[] = {
        {"History in", encode(samples::any_history_request())},
        {"List in", encode(samples::any_list_request())},
        {"History out", encode(samples::any_lease_reply())},
        {"Audit in", encode(samples::any_audit_request())},
        {"Audit out", encode(samples::any_audit_reply())},
        {"Why in", encode(samples::any_why_request())},
        {"Why out", encode(samples::any_why_reply())},
        {"Conflicts in", encode(samples::any_conflicts_request())},
        {"Conflicts out", encode(samples::any_conflicts_reply())},
        {"Pressure in", encode(samples::any_pressure_request())},
        {"Pressure out", encode(samples::any_pressure_reply())},
        {"Attribute in", encode(samples::any_attribute_request())},
        {"Attribute out", encode(samples::any_attribute_reply())},
        {"Verify out", encode(samples::any_verify_reply())},
        {"Watch in", encode(samples::any_watch_request())},
        {"Export in", encode(samples::any_export_request())},
        {"Watch out", encode(samples::any_watch_reply())},
        {"Export out", encode(samples::any_export_reply())},
        {"Who out", encode(samples::any_who_reply())},
        {"Explain out", encode(samples::any_explanation())},
        {"Status out", encode(samples::any_status())},
    };
    for (const auto &[type, message] : messages)
        RC_ASSERT(check(message, type, Presence::as_declared) == "");
}

template <typename Enum>
std::set<std::string> words_up_to(Enum last) {
    std::set<std::string> words;
    for (int i = 0; i <= static_cast<int>(last); ++i)
        words.emplace(to_string(static_cast<Enum>(i)));
    return words;
}

TEST(Interface, HasTheWordsOfTheVocabulary) {
    const std::pair<const char *, std::set<std::string>> enumerations[] = {
        {"Protocol", words_up_to(Protocol::udp)},
        {"Family", words_up_to(Family::ipv6)},
        {"Role", words_up_to(Role::datagram)},
        {"PortChoice", words_up_to(PortChoice::explicit_)},
        {"PortChosenBy", words_up_to(PortChosenBy::send)},
        {"TimeWaitReuse", words_up_to(TimeWaitReuse::loopback)},
        {"Phase", words_up_to(Phase::freed)},
        {"Outcome", words_up_to(Outcome::abandoned)},
        {"Provenance", words_up_to(Provenance::unknown)},
        {"CaptureTier", words_up_to(CaptureTier::procfs)},
        {"AuditBy", words_up_to(AuditBy::peer)},
        {"AuditOrder", words_up_to(AuditOrder::longest)},
        {"BindVerdict", words_up_to(BindVerdict::does_not_block)},
        {"BindReason", words_up_to(BindReason::other_namespace)},
        {"Confidence", words_up_to(Confidence::nobody)},
        {"AttributionReason", words_up_to(AttributionReason::no_connection)},
        {"FlowSide", words_up_to(FlowSide::destination)},
        {"Event", words_up_to(Event::gap)},
    };
    for (const auto &[name, words] : enumerations)
        EXPECT_EQ(ports().types.at(name).words, words) << name;
}

// systemd's varlinkctl of versions 255 and 256 cannot read them.
TEST(Interface, HasNoCommentsInsideOfDefinitions) {
    int depth = 0;
    bool in_comment = false;
    for (const char c : ports_interface) {
        in_comment = c == '#' || (in_comment && c != '\n');
        EXPECT_FALSE(c == '#' && depth > 0);
        if (!in_comment)
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    EXPECT_EQ(depth, 0);
}

TEST(Interface, DeclaresEveryErrorAndMethod) {
    const Interface service = Parser(service_interface).parse();
    const auto declared = [&](std::string_view name, const auto &names) {
        const std::size_t dot = name.rfind('.');
        const Interface &of = name.substr(0, dot) == service.name ? service : ports();
        return name.substr(0, dot) == of.name && names(of, std::string(name.substr(dot + 1)));
    };
    const auto is_error = [](const Interface &of, const std::string &name) {
        return of.errors.contains(name);
    };
    for (std::string_view error :
         {errors::interface_not_found, errors::method_not_found, errors::method_not_implemented,
          errors::invalid_parameter, errors::permission_denied, errors::expected_more,
          errors::limit_exceeded, errors::malformed, errors::invalid_interval,
          errors::store_unavailable, errors::subscriber_too_slow})
        EXPECT_TRUE(declared(error, is_error)) << error;
    const auto is_method = [](const Interface &of, const std::string &name) {
        return of.types.contains(name + " in") && of.types.contains(name + " out");
    };
    for (std::string_view method :
         {methods::get_info, methods::get_interface_description, methods::history, methods::list,
          methods::watch, methods::export_, methods::who, methods::audit, methods::why,
          methods::conflicts, methods::pressure, methods::attribute, methods::verify,
          methods::explain, methods::status})
        EXPECT_TRUE(declared(method, is_method)) << method;
}

// Varlink's grammar: names of types and methods are CamelCase, names of fields have no leading,
// trailing or doubled underscore.
TEST(Interface, HasNamesThatVarlinkAllows) {
    for (const auto &[name, definition] : ports().types) {
        EXPECT_TRUE(std::isupper(static_cast<unsigned char>(name.front())) != 0) << name;
        std::set<std::string> names = definition.words;
        for (const auto &[field, type] : definition.fields)
            names.insert(field);
        for (const std::string &field : names) {
            EXPECT_TRUE(std::isalpha(static_cast<unsigned char>(field.front())) != 0) << field;
            EXPECT_TRUE(field.back() != '_' && field.find("__") == std::string::npos) << field;
            EXPECT_EQ(field.find('.'), std::string::npos) << field;
        }
    }
}

} // namespace
} // namespace portd::proto
