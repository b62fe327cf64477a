package main

import (
	"context"
	"fmt"
	"os"

	api "example.org/api"
)

func main() {
	configuration := api.NewConfiguration()
	configuration.Servers = api.ServerConfigurations{{URL: os.Args[1]}}
	client := api.NewAPIClient(configuration)
	ctx := context.WithValue(context.Background(), api.ContextAccessToken, os.Args[2])
	user, _, err := client.UserAPI.GetUserById(ctx, 1).Execute()
	fmt.Println(user, err)
	created, response, err := client.UserAPI.PostUser(ctx).UserDraft(*api.NewUserDraft("Grace")).Execute()
	fmt.Println(created, response.Status, err)
	_, response, err = client.UserAPI.GetUserById(ctx, 999).Execute()
	fmt.Println(response.Status, err)
}
