#include "capture/redact.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

namespace portd::capture {
namespace {

std::string redact_words(const std::vector<std::string> &arguments) {
    const std::vector<std::string_view> views(arguments.begin(), arguments.end());
    return redact(views);
}

struct Case {
    std::vector<std::string> arguments;
    std::string expected;
};

void PrintTo(const Case &c, std::ostream *out) {
    *out << c.expected;
}

class Redaction : public ::testing::TestWithParam<Case> {};

TEST_P(Redaction, HidesSecretsOnly) {
    EXPECT_EQ(redact_words(GetParam().arguments), GetParam().expected);
}

const std::vector<Case> harmless{
    {{"sleep", "60"}, "sleep 60"},
    {{}, ""},
    {{"nginx", "-g", "daemon off;"}, "nginx -g daemon off;"},
    {{"ssh", "-p", "2222", "user@host"}, "ssh -p 2222 user@host"},
    {{"docker", "run", "-p", "8080:80", "nginx"}, "docker run -p 8080:80 nginx"},
    {{"mysql", "-h", "db", "-P", "3306"}, "mysql -h db -P 3306"},
    {{"mysql", "-p", "--protocol=tcp"}, "mysql -p --protocol=tcp"},
    {{"curl", "http://host:8080/a@b?page=2"}, "curl http://host:8080/a@b?page=2"},
    {{"git", "clone", "https://git@github.com/x/y"}, "git clone https://git@github.com/x/y"},
    {{"server", "--password-file", "/run/x", "--max-tokens", "5"},
     "server --password-file /run/x --max-tokens 5"},
    {{"TLS_PRIVATE_KEY_PATH=/etc/x.pem"}, "TLS_PRIVATE_KEY_PATH=/etc/x.pem"},
    {{"haproxy", "--key=/etc/ssl/private/site2022.key"},
     "haproxy --key=/etc/ssl/private/site2022.key"},
    {{"prog", "--author", "me", "--keyboard=de"}, "prog --author me --keyboard=de"},
    {{"psql", "--password", "--host", "db"}, "psql --password --host db"},
    {{"tool", "--no-password", "start"}, "tool --no-password start"},
};

const std::vector<Case> options{
    {{"x", "--password=hunter2"}, "x --password=***"},
    {{"x", "--password", "hunter2", "y"}, "x --password *** y"},
    {{"x", "-password", "two words"}, "x -password ***"},
    {{"x", "--password", "-odd"}, "x --password ***"},
    {{"x", "--password", "--token", "t"}, "x --password --token ***"},
    {{"x", "--db.passwd=a,b&c d"}, "x --db.passwd=***"},
    {{"java", "-Dspring.datasource.password=s3", "-jar", "a.jar"},
     "java -Dspring.datasource.password=*** -jar a.jar"},
    {{"x", "--apiKey=k"}, "x --apiKey=***"},
    {{"x", "--api-key", "k"}, "x --api-key ***"},
    {{"x", "--clientSecret=k"}, "x --clientSecret=***"},
    {{"x", "--auth", "user:pw"}, "x --auth ***"},
    {{"x", "--PASSWORD=x"}, "x --PASSWORD=***"},
    {{"x", "--private-key=abc"}, "x --private-key=***"},
    {{"x", "--password="}, "x --password=***"},
    {{"x", "--password"}, "x --password"},
    {{"x", "--key=0123456789abcdef0123"}, "x --key=***"},
    {{"x", "--session", "--key=short"}, "x --session --key=short"},
};

const std::vector<Case> programs{
    {{"mysql", "-uroot", "-phunter2", "db"}, "mysql -uroot -p*** db"},
    {{"/usr/bin/mysqldump", "-psecp"}, "/usr/bin/mysqldump -p***"},
    {{"sudo", "-u", "me", "mariadb-admin", "-px"}, "sudo -u me mariadb-admin -p***"},
    {{"sh", "-c", "mysql -phunter2 db < f"}, "sh -c mysql -p*** db < f"},
    {{"sshpass", "-p", "x", "ssh", "h"}, "sshpass -p *** ssh h"},
    {{"curl", "-su", "me:pw", "http://h"}, "curl -su *** http://h"},
    {{"curl", "-uabu"}, "curl -u***"},
    {{"ldapsearch", "-x", "-w", "pw"}, "ldapsearch -x -w ***"},
    {{"redis-cli", "-a", "pw", "ping"}, "redis-cli -a *** ping"},
    {{"docker", "login", "-u", "me", "-p", "pw", "reg"}, "docker login -u me -p *** reg"},
    {{"xfreerdp", "/v:host", "/p:pw"}, "xfreerdp /v:host /p:***"},
    {{"openssl", "rsa", "-passin", "pass:pw"}, "openssl rsa -passin ***"},
};

const std::vector<Case> embedded{
    {{"env", "PASSWORD=x", "prog"}, "env PASSWORD=*** prog"},
    {{"env", "PGPASSWORD=x", "GITHUB_TOKEN=y"}, "env PGPASSWORD=*** GITHUB_TOKEN=***"},
    {{"docker", "run", "-e", "MYSQL_ROOT_PASSWORD=x y"}, "docker run -e MYSQL_ROOT_PASSWORD=***"},
    {{"docker", "run", "--env=DB_PASSWORD=x&y"}, "docker run --env=DB_PASSWORD=***"},
    {{"sh", "-c", "export A=1; PASSWORD=x exec prog --flag"},
     "sh -c export A=1; PASSWORD=*** exec prog --flag"},
    {{"sh", "-c", "prog --password x --flag"}, "sh -c prog --password *** --flag"},
    {{"sh", "-c", "prog --password 'x y' --flag"}, "sh -c prog --password '***' --flag"},
    {{"psql", "host=h password=x dbname=d"}, "psql host=h password=*** dbname=d"},
    {{"curl", "-H", "Authorization: Bearer abc def"}, "curl -H Authorization: ***"},
    {{"sh", "-c", "curl -H 'X-Api-Key: a b' http://h"}, "sh -c curl -H 'X-Api-Key: ***' http://h"},
    {{"curl", "-d", R"({"user":"u","password":"x y","n":1})"},
     R"(curl -d {"user":"u","password":"***","n":1})"},
    {{"curl", "http://h/p?a=1&access_token=x&b=2"}, "curl http://h/p?a=1&access_token=***&b=2"},
    {{"mount", "-o", "user=u,password=a,b"}, "mount -o user=u,password=***"},
};

const std::vector<Case> recognisable{
    {{"x", "postgres://u:p@h:5432/db"}, "x postgres://u:***@h:5432/db"},
    {{"x", "redis://:p@h"}, "x redis://:***@h"},
    {{"x", "a://u:p@ss@h/x"}, "x a://u:***@h/x"},
    {{"x", "a://u:p/w@h/x"}, "x a://u:***@h/x"},
    {{"x", "a://u:#w@h/x"}, "x a://u:***@h/x"},
    {{"x", "a://u:p@h1,b://v:q@h2"}, "x a://u:***@h1,b://v:***@h2"},
    {{"x", "--proxy=http://u:p@h/?q=a@b"}, "x --proxy=http://u:***@h/?q=a@b"},
    {{"x", "https://0123456789abcdef0123@h/r"}, "x https://***@h/r"},
    {{"aws", "AKIAIOSFODNN7EXAMPLE"}, "aws ***"},
    {{"x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"}, "x ***"},
    {{"x", "ghp_0123456789abcdefghijklmnop"}, "x ***"},
    {{"x", "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END"}, "x -----BEGIN***"},
};

INSTANTIATE_TEST_SUITE_P(Harmless, Redaction, ::testing::ValuesIn(harmless));
INSTANTIATE_TEST_SUITE_P(Options, Redaction, ::testing::ValuesIn(options));
INSTANTIATE_TEST_SUITE_P(Programs, Redaction, ::testing::ValuesIn(programs));
INSTANTIATE_TEST_SUITE_P(Embedded, Redaction, ::testing::ValuesIn(embedded));
INSTANTIATE_TEST_SUITE_P(Recognisable, Redaction, ::testing::ValuesIn(recognisable));

// Without quotes: one that opens a value is shown.
const auto secret_text = rc::gen::nonEmpty(
    rc::gen::container<std::string>(rc::gen::suchThat(rc::gen::inRange('!', '\x7f'), [](char c) {
        return c != '"' && c != '\'' && c != '`' && c != '\\';
    })));

RC_GTEST_PROP(Redaction, NeverLetsAnOptionsValueThrough, ()) {
    const auto secret = *secret_text;
    RC_ASSERT(redact_words({"p", "--password=" + secret, "z"}) == "p --password=*** z");
    RC_ASSERT(redact_words({"p", "TOKEN=" + secret, "z"}) == "p TOKEN=*** z");
    RC_ASSERT(redact_words({"mysql", "-p" + secret, "z"}) == "mysql -p*** z");
    if (secret.find_first_of("/?#") == std::string::npos) {
        RC_ASSERT(redact_words({"p", "a://u:" + secret + "@h"}) == "p a://u:***@h");
    }
    RC_PRE(!secret.starts_with("--"));
    RC_ASSERT(redact_words({"p", "--api-key", secret, "z"}) == "p --api-key *** z");
}

RC_GTEST_PROP(Redaction, FindsSecretsAmongAnything, ()) {
    using Words = std::vector<std::string>;
    const std::vector<Words> forms{{"--password", "S3CR3T"},
                                   {"--token=S3CR3T"},
                                   {"a://u:S3CR3T@h/"},
                                   {"PASSWORD=S3CR3T"},
                                   {"-H", "Authorization: Bearer S3CR3T"},
                                   {"mysql", "-u", "me", "-pS3CR3T"},
                                   {R"({"a":1,"apiKey":"S3CR3T"})"},
                                   {"x"},
                                   {"--verbose"},
                                   {"a b"},
                                   {""},
                                   {"'"},
                                   {"k=v:w"}};
    const auto groups = *rc::gen::container<std::vector<Words>>(rc::gen::elementOf(forms));
    Words words;
    for (const auto &group : groups)
        words.insert(words.end(), group.begin(), group.end());
    RC_ASSERT(redact_words(words).find("S3CR3T") == std::string::npos);
}

// What would be quadratic takes minutes here, and the test's time limit ends it.
TEST(Redaction, IsLinear) {
    constexpr std::size_t size = 1 << 18;
    for (const std::string unit :
         {"a://b:c/", "key=", "password", "-p ", "a://", "@", "'", "\"a\":", "x:'",
          "token=", "key=0123456789abcdef ", "eyJ", "a=\\", "--password ", "a://b:c@"}) {
        std::string text;
        while (text.size() < size)
            text += unit;
        EXPECT_FALSE(redact_words({"mysql", text}).empty());
    }
}

TEST(SuggestsSecret, ByItsWords) {
    for (const auto *name : {"password", "--passwd", "DB_PWD", "apiKey", "API-KEY", "x.token",
                             "accessToken", "PRIVATE_KEY", "credentials", "auth", "HTTP_COOKIE"})
        EXPECT_TRUE(suggests_secret(name)) << name;
    for (const auto *name : {"", "-", "author", "tokens", "tokenizer", "password-file", "key",
                             "SSH_AUTH_SOCK", "compass", "path"})
        EXPECT_FALSE(suggests_secret(name)) << name;
}

TEST(ArgumentPolicy, HasOneSpelling) {
    for (const auto policy : {ArgumentPolicy::off, ArgumentPolicy::redacted, ArgumentPolicy::full})
        EXPECT_EQ(parse_argument_policy(to_string(policy)), policy);
    EXPECT_FALSE(parse_argument_policy("Full"));
    EXPECT_FALSE(parse_argument_policy(""));
}

} // namespace
} // namespace portd::capture
